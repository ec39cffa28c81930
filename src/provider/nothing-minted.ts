import { JitError } from '../core/errors.ts'

/** The same failure, of a step that leaves no credential behind. */
export function nothingMinted(error: unknown): unknown {
  if (!(error instanceof JitError)) return error
  const { code, message, hint, details, cause } = error
  return new JitError(code, message, { hint, details: { ...details, sent: false }, ...(cause === undefined ? {} : { cause }) })
}
