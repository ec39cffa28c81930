import ipaddr from 'ipaddr.js'

/**
 * Why an address that a name resolved to must not be dialled, or undefined. Only plain public unicast passes: a name on the
 * allow list that points at loopback, a private network or a cloud's metadata service is refused.
 */
export function refuseAddress(text: string): string | undefined {
  if (!ipaddr.isValid(text)) return 'not an address'
  const address = ipaddr.process(text)
  const range = address.range()
  if (range !== 'unicast') return `${text} is ${range}`
  if (metadata.has(address.toString())) return `${text} is a metadata service`
  return undefined
}

/** Metadata services that live outside the reserved ranges: Alibaba, Azure's wire server. */
const metadata = new Set(['100.100.100.200', '168.63.129.16'])
