import type { JitError } from '../core/errors.ts'

/** System and undici codes of connections that never stood: nothing of the request can have arrived. */
const neverConnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/
const causeDepth = 5

/**
 * Whether a mint that failed may have made a credential all the same. Errs towards yes. No, when the provider says that
 * nothing was sent (`details.sent: false`), when the upstream answered a failure (a gateway's 502 and 504 say nothing of
 * what stands behind it), and when no connection came to be.
 */
export function mayHaveMinted(error: JitError): boolean {
  const { code, details } = error
  if (details['sent'] === false || hasNeverConnected(error)) return false
  if (code !== 'provider.unavailable') return !/^(provider|store|config)\./.test(code)
  const { status } = details
  return typeof status !== 'number' || status < 400 || status === 502 || status === 504
}

function hasNeverConnected(error: unknown): boolean {
  let cause = error
  for (let depth = 0; depth < causeDepth && cause instanceof Error; depth += 1) {
    if ('code' in cause && neverConnected.test(String(cause.code))) return true
    cause = cause.cause
  }
  return false
}
