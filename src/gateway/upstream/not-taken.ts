import { JitError } from '../../core/errors.ts'

const notTaken = 'notTaken'

/** A remote server did not take a call's credential, and turned the call away unread: another credential may do. */
export function credentialNotTaken({ code, message, hint, details }: JitError): JitError {
  return new JitError(code, message, { hint, details: { ...details, [notTaken]: true } })
}

export function isCredentialNotTaken(error: unknown): boolean {
  return error instanceof JitError && error.details[notTaken] === true
}
