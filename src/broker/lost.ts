import type { JitError } from '../core/errors.ts'
import { neverSent } from '../provider/never-sent.ts'

/**
 * Whether a mint that failed may have made a credential all the same. Errs towards yes. No, when it is certain that nothing
 * was sent (`details.sent: false`, or no connection came to be), and when the upstream answered a failure (a gateway's 502
 * and 504 say nothing of what stands behind it).
 */
export function mayHaveMinted(error: JitError): boolean {
  const { code, details } = error
  if (neverSent(error)) return false
  if (code !== 'provider.unavailable') return !/^(provider|store|config)\./.test(code)
  const { status } = details
  return typeof status !== 'number' || status < 400 || status === 502 || status === 504
}
