import type { Lease } from '../../broker/types.ts'
import type { Injection } from '../../config/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { withFixedHeaders } from '../../egress/fixed-headers.ts'

const bearer = { name: 'Authorization', value: 'Bearer ${token}' }

/**
 * Mode header: the headers (names and values, in turn) of one request to a remote server, with what its lease's provider decides
 * there, and with the credential in place of any header of that name. Throws like `credentialHeader`.
 */
export function withCredential(headers: readonly string[], inject: Pick<Injection, 'header'>, lease: Lease): readonly string[] {
  const [name, value] = credentialHeader(inject, lease)
  const fixed = withFixedHeaders(headers, lease)
  const kept = fixed.flatMap((text, index) =>
    index % 2 === 0 && text.toLowerCase() !== name.toLowerCase() ? [text, fixed[index + 1] ?? ''] : [],
  )
  return [...kept, name, value]
}

/**
 * Mode header: name and value of the header that carries the credential of one request to a remote server. Throws JitError
 * `server.unauthorized` when the credential has no such part, or one that no header carries.
 */
export function credentialHeader(
  { header = bearer }: Pick<Injection, 'header'>,
  { provider, secrets }: Lease,
): [name: string, value: string] {
  const value = header.value.replace(/\$\{([a-zA-Z_]+)\}/g, (_, part: string) => {
    const secret = Object.hasOwn(secrets, part) ? secrets[part] : undefined
    if (secret === undefined)
      throw new JitError('server.unauthorized', `a credential of ${quote(provider)} has no part ${quote(part)}`, {
        hint: `Its parts are ${Object.keys(secrets).join(', ')}: name one of them under \`inject: { header: { value } }\`.`,
      })
    return secret.reveal()
  })
  if (!/^[\x20-\x7e]+$/.test(value))
    throw new JitError('server.unauthorized', `a credential of ${quote(provider)} holds characters that no header carries`)
  return [header.name, value]
}
