import { JitError, quote } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { neverSent } from './never-sent.ts'
import { redact } from './redact.ts'

const causeDepth = 6
const longestText = 400

/**
 * A request that got no answer, as the error of the provider contract. `what` begins the sentence: `Vault gave no proper answer
 * to GET sys/health`. Why it failed is said once, in the words of the network where it knows, with its hint (`network.hosts`,
 * `network.ca`). `secrets`: what the request carried. A JitError is handed through.
 */
export function noAnswer(what: string, error: unknown, secrets: readonly (Secret | undefined)[] = []): JitError {
  if (error instanceof JitError) return error
  const known = jitErrorBehind(error)
  const text = redact(known?.message ?? textOf(error), secrets)
  const said = /^[\x20-\x7e]+$/.test(text) && text.length <= longestText ? text : quote(text, longestText)
  return new JitError('provider.unavailable', `${what}: ${known === undefined ? quote(text, longestText) : said}`, {
    ...(known === undefined ? {} : { hint: known.hint }),
    ...(neverSent(error) ? { details: { sent: false } } : {}),
  })
}

/** What the network says of itself; what a library made of it stands around that. */
export function jitErrorBehind(error: unknown): JitError | undefined {
  let cause = error
  for (let depth = 0; depth < causeDepth && cause instanceof Error; depth += 1) {
    if (cause instanceof JitError) return cause
    cause = cause.cause
  }
  return undefined
}

/** `fetch failed` alone says nothing: its cause does. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, cause } = error
  return cause instanceof Error && cause.message !== '' && !message.includes(cause.message) ? `${message}: ${cause.message}` : message
}
