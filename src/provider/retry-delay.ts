/** `Retry-After` in milliseconds, from its seconds or its date (RFC 9110 §10.2.3); undefined when it says neither. `now`: milliseconds since 1970. */
export function retryDelay(text: string | null, now: number): number | undefined {
  if (text === null) return undefined
  const at = /^\d{1,9}$/.test(text) ? now + Number(text) * 1000 : Date.parse(text)
  return Number.isFinite(at) ? Math.max(0, at - now) : undefined
}
