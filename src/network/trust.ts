import { resolve } from 'node:path'
import { createSecureContext, getCACertificates, rootCertificates, type SecureContext } from 'node:tls'
import { JitError, quote } from '../core/errors.ts'
import { readRegular } from '../core/regular-file.ts'

/**
 * Whom upstream certificates may be signed by: Mozilla's list as Node ships it, the PEM files of `network.ca`, and the
 * system's store when asked. It is built once: an agent that is given `ca` per connection takes twice as long for each request.
 * Throws JitError `config.invalid`.
 */
export function createTrust(files: readonly string[], baseFolder: string, systemCa: boolean): SecureContext {
  const more = files.map((file) => readCertificates(resolve(baseFolder, file)))
  if (systemCa) more.push(...getCACertificates('system'))
  return createSecureContext(more.length === 0 ? {} : { ca: [...rootCertificates, ...more] })
}

function readCertificates(file: string): string {
  let text: string
  try {
    text = readRegular(file, { follow: true, ofAnyone: true }).toString('utf8')
  } catch (cause) {
    throw new JitError('config.invalid', `network.ca: ${quote(file)} cannot be read: ${whyNot(cause)}`, { cause })
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new JitError('config.invalid', `network.ca: ${quote(file)} holds no certificate in PEM form`)
  }
  return text
}

/** What people can do something about; anything else in the system's words. */
function whyNot(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ENOENT') return 'there is no such file'
  return cause instanceof Error ? cause.message : String(cause)
}
