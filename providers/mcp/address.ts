import ipaddr from 'ipaddr.js'
import { JitError, quote } from '../../src/provider/index.ts'

/** Plain HTTP that never leaves this machine. */
export function isLoopback(url: URL): boolean {
  return url.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
}

/** Whether a server may have this address: HTTPS, or HTTP on this machine; no name, password or fragment in it. */
export function isServerAddress(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '' || text.includes('#')) return false
  return url.protocol === 'https:' || isLoopback(url)
}

/**
 * An address that somebody else named: in the challenge of the server `of`, or in metadata. Only HTTPS; a server on this machine may
 * name others on it. Whether the name leads to a permitted address is decided where it is dialled. Throws `provider.refused`.
 */
export function checkAddress(text: string, what: string, of: string): URL {
  const url = URL.parse(text)
  const isLocal = url !== null && isLoopback(url) && isLoopback(new URL(of))
  if (url !== null && isServerAddress(text) && (url.protocol === 'https:' || isLocal)) return url
  throw new JitError('provider.refused', `${what} of ${nameOf(of)} is an address that nothing is sent to: ${quote(text)}`, {
    hint: 'Only https is taken, without a user or a password; http only between servers of this machine.',
    details: { sent: false },
  })
}

/**
 * The same for what the person's browser opens: no address of a private network either, where a page could press buttons that
 * nobody else reaches. An issuer that is there itself may have its pages there.
 */
export function checkPage(text: string, issuer: string, of: string): URL {
  const url = checkAddress(text, 'authorization_endpoint', of)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (!ipaddr.isValid(host) || ipaddr.process(host).range() === 'unicast' || url.hostname === new URL(issuer).hostname) return url
  throw new JitError('provider.refused', `authorization_endpoint of ${nameOf(of)} is no public address: ${quote(text)}`, {
    details: { sent: false },
  })
}

/** For messages: without the query. */
export function nameOf(address: string): string {
  const url = URL.parse(address)
  return url === null ? quote(address) : `${url.origin}${url.pathname}`
}
