import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { KindView } from '../api/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { type Field, flagOf } from './login-fields.ts'
import { isInteractive, note } from './output/terminal.ts'
import { plain } from './output/text.ts'
import { readStdin } from './stdin.ts'

export interface Login {
  readonly config: Readonly<Record<string, string | number>>
  readonly secrets: Readonly<Record<string, Secret>>
  /** What the registration is about, if it can be a name in the config. */
  readonly account: string | undefined
  /** Files that held a secret. */
  readonly files: readonly string[]
}

const instanceName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
/** Of the field that says for whom credentials are minted. */
const accountLabel = 'Account'

/** The values of all fields: given as options, else asked for on a terminal. Throws `usage` where neither can be. */
export async function fillLogin(kind: KindView, values: ReadonlyMap<string, string>): Promise<Login> {
  const config: Record<string, string | number> = {}
  const secrets: Record<string, Secret> = {}
  const files: string[] = []
  let account: string | undefined
  const fromStdin = kind.login.filter((field) => field.secret && values.get(field.name) === '-')
  if (fromStdin.length > 1) throw new JitError('usage', `${fromStdin.map(flagOf).join(' and ')} cannot both be read from stdin`)
  for (const field of kind.login) {
    const text = values.get(field.name) ?? (await ask(field))
    if (text === undefined) continue
    if (text instanceof Secret) secrets[field.name] = text
    else if (field.secret) {
      secrets[field.name] = await readSecret(field, text)
      if (text !== '-') files.push(text)
    } else {
      config[field.name] = valueOf(field, text)
      if (field.label === accountLabel && instanceName.test(text)) account = text
    }
  }
  return { config, secrets, account, files }
}

/** A secret that is no file is typed unseen, and is a Secret from then on. */
async function ask(field: Field): Promise<string | Secret | undefined> {
  if (!field.required) return undefined
  if (!isInteractive()) throw new JitError('usage', `${flagOf(field)} is missing: ${field.help}`)
  const prompts = await import('@inquirer/prompts')
  const message = `${field.label}${field.secret && field.type === 'file' ? ' file' : ''}:`
  const context = { output: process.stderr }
  if (field.secret && field.type !== 'file') return new Secret(await prompts.password({ message, mask: '•' }, context))
  return (await prompts.input({ message: `${message.slice(0, -1)} (${field.help}):`, required: true }, context)).trim()
}

/** App ids and the like are numbers in the config file where they look like one; the kind's own schema has the last word. */
function valueOf(field: Field, text: string): string | number {
  const isNumber = /^\d{1,15}$/.test(text) && String(Number(text)) === text
  if (field.type === 'number' && !isNumber) throw new JitError('usage', `${flagOf(field)} takes a number, not ${quote(text)}`)
  return isNumber ? Number(text) : text
}

/** From a file or from stdin, never from the command line itself, which every program of the machine can read. */
async function readSecret(field: Field, path: string): Promise<Secret> {
  if (path === '-') return notEmpty(field, await readStdin())
  const file = path.replace(/^~(?=\/)/, userInfo().homedir)
  try {
    const text = readFileSync(file, 'utf8')
    if ((statSync(file).mode & 0o077) !== 0) note(`${plain(path)} can be read by other users of this machine`)
    return notEmpty(field, text)
  } catch (error) {
    if (error instanceof JitError) throw error
    throw new JitError('usage', unreadable(field, path, error), { hint: `${flagOf(field)} takes the name of a file, or - for stdin.` })
  }
}

/** Whoever put the secret itself there does not want to see it again, in a log least of all. */
function unreadable(field: Field, path: string, error: unknown): string {
  const looksLikePath = path.length <= 256 && !/\s/.test(path) && (/[/.]/.test(path) || path.length < 16)
  const why =
    error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'there is no such file'
      : error instanceof Error
        ? error.message
        : ''
  if (looksLikePath) return `${flagOf(field)}: ${quote(path)} cannot be read: ${why}`
  return `${flagOf(field)}: what was given names no file; it is not repeated here in case it is the secret`
}

function notEmpty(field: Field, text: string): Secret {
  if (text.trim() === '') throw new JitError('usage', `${flagOf(field)}: what was given is empty`)
  return new Secret(text)
}
