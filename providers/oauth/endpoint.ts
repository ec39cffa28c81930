/** Whether a secret may be sent there: HTTPS, or HTTP to this machine; no name, password or fragment in it. */
export function isSafeEndpoint(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '' || text.includes('#')) return false
  return url.protocol === 'https:' || isLoopback(url)
}

/** Plain HTTP that never leaves this machine. */
export function isLoopback(url: URL): boolean {
  return url.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
}

/** An address for messages: without its query, which is a stranger's or a setting that people may keep to themselves. */
export function nameOf(endpoint: string): string {
  const url = new URL(endpoint)
  return `${url.origin}${url.pathname}`
}
