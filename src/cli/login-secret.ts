import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { JitError, quote } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { type Field, flagOf } from './login-fields.ts'
import { note } from './output/terminal.ts'
import { plain } from './output/text.ts'
import { readStdin } from './stdin.ts'

/** From a file or from stdin, never from the command line itself, which every program of the machine can read. */
export async function readSecret(field: Field, path: string): Promise<Secret> {
  if (path === '-') return secretOf(field, new Secret(await readStdin()), 'stdin')
  const file = path.replace(/^~(?=\/)/, userInfo().homedir)
  let secret: Secret
  let open: boolean
  try {
    secret = new Secret(readFileSync(file, 'utf8'))
    open = (statSync(file).mode & 0o077) !== 0
  } catch (error) {
    throw new JitError('usage', unreadable(field, path, error), { hint: `${flagOf(field)} takes the name of a file, or - for stdin.` })
  }
  secretOf(field, secret, quote(path))
  if (open) note(`${plain(path)} can be read by other users of this machine`)
  return secret
}

/** The secret, if it looks like one of its field; it is never shown, only where it came from. Throws `usage`. */
export function secretOf(field: Field, secret: Secret, from = 'what was given'): Secret {
  const { pattern } = field
  if (secret.seal((text) => text.trim() === '')) throw new JitError('usage', `${flagOf(field)}: ${from} is empty`)
  if (pattern !== undefined && !secret.seal((text) => new RegExp(`^(?:${pattern})$`).test(text)))
    throw new JitError('usage', `${flagOf(field)} takes ${field.help}, and ${from} holds something else`, {
      hint: 'Nothing was registered.',
    })
  return secret
}

/** Whoever put the secret itself there does not want to see it again, in a log least of all. */
function unreadable(field: Field, path: string, error: unknown): string {
  const looksLikePath = path.length <= 256 && !/\s/.test(path) && (/[/.]/.test(path) || path.length < 16)
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const why =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EISDIR'
        ? 'it is a folder'
        : code === 'EACCES'
          ? 'it may not be read by you'
          : error instanceof Error
            ? error.message
            : ''
  if (looksLikePath) return `${flagOf(field)}: ${quote(path)} cannot be read: ${why}`
  return `${flagOf(field)}: what was given names no file; it is not repeated here in case it is the secret`
}
