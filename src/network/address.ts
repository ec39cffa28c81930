import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'

/**
 * Why an address that a name resolved to must not be dialled, or undefined. Only plain public unicast passes: a name on the
 * allow list that points at this machine, a private network or a cloud's metadata service is refused, and so is an IPv6
 * address that wraps an IPv4 one (mapped, NAT64, 6to4, Teredo). `own` are this machine's addresses.
 */
export function refuseAddress(text: string, own: ReadonlySet<string> = ownAddresses()): string | undefined {
  if (isIP(text) === 0) return `${JSON.stringify(text)} is no address`
  const address = ipaddr.parse(text)
  const range = address.range()
  if (range !== 'unicast') return `${text} is ${spoken[range] ?? range}`
  if (metadata.has(address.toString())) return `${text} is a metadata service`
  if (own.has(address.toString())) return `${text} is this machine`
  return undefined
}

export function isLoopback(text: string): boolean {
  return isIP(text) !== 0 && ipaddr.process(text).range() === 'loopback'
}

/** Azure's wire server has a public address; the other metadata services lie in reserved ranges. */
const metadata = new Set(['168.63.129.16'])

const spoken: Readonly<Record<string, string>> = {
  linkLocal: 'link-local',
  carrierGradeNat: 'carrier-grade NAT',
  uniqueLocal: 'a private network',
  private: 'a private network',
  loopback: 'loopback',
  multicast: 'multicast',
  ipv4Mapped: 'an IPv4 address in IPv6 clothes',
  rfc6052: 'NAT64',
  rfc6145: 'NAT64',
  '6to4': '6to4',
}

function ownAddresses(): Set<string> {
  const found = new Set<string>()
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) found.add(ipaddr.parse(address.replace(/%.*$/, '')).toString())
  }
  return found
}
