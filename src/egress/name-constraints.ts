import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * DER of the extension 2.5.29.30 (RFC 5280 §4.2.1.10) that lets an authority sign for `hosts` and nothing else: what kind of
 * name is not among them is excluded as a whole.
 */
export function nameConstraints(hosts: readonly string[]): Uint8Array<ArrayBuffer> {
  const names = hosts.filter((host) => isIP(host) === 0)
  const addresses = hosts.filter((host) => isIP(host) !== 0)
  const permitted = [...names.map((name) => dnsName(name)), ...addresses.map((address) => addressRange(address, true))]
  const excluded = [
    ...(names.length === 0 ? [dnsName('')] : []),
    ...(addresses.length === 0 ? [addressRange('0.0.0.0', false), addressRange('::', false)] : []),
  ]
  return new Uint8Array(der(0x30, [...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)]))
}

function subtrees(tag: number, bases: readonly Buffer[]): Buffer[] {
  if (bases.length === 0) return []
  return [
    der(
      tag,
      bases.map((base) => der(0x30, [base])),
    ),
  ]
}

function dnsName(name: string): Buffer {
  return der(0x82, [Buffer.from(name, 'ascii')])
}

/** Address and mask: of this one address, or of all. */
function addressRange(address: string, one: boolean): Buffer {
  const bytes = Buffer.from(ipaddr.parse(address).toByteArray())
  return der(0x87, [bytes, Buffer.alloc(bytes.length, one ? 255 : 0)])
}

function der(tag: number, parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
