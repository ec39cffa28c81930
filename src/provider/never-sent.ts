import { JitError } from '../core/errors.ts'

/** System, OpenSSL and undici codes of connections that never stood, so that nothing of a request can have arrived. */
const neverConnected =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/
const causeDepth = 6

/**
 * Whether it is certain that a request with this failure was never sent: the chain of causes holds a JitError with
 * `details.sent: false`, or the failure of a name, a connection or a certificate. `sent: true` says no, whatever failed behind
 * it: a request that was to end what an earlier one had made, for one. Errs towards false.
 */
export function neverSent(error: unknown): boolean {
  let cause = error
  for (let depth = 0; depth < causeDepth && cause instanceof Error; depth += 1) {
    if (cause instanceof JitError && typeof cause.details['sent'] === 'boolean') return !cause.details['sent']
    if ('code' in cause && neverConnected.test(String(cause.code)) && !isMidway(cause)) return true
    cause = cause.cause
  }
  return false
}

/** A host that becomes unreachable ends a read or a write of a connection that stood, under the same codes. */
function isMidway(error: Error): boolean {
  return 'syscall' in error && (error.syscall === 'read' || error.syscall === 'write')
}
