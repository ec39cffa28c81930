import type { KindView } from '../api/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { type Field, flagOf } from './login-fields.ts'
import { type Asker, terminalAsker } from './login-questions.ts'
import { readSecret, secretOf } from './login-secret.ts'

export interface Login {
  readonly config: Readonly<Record<string, string | number>>
  readonly secrets: Readonly<Record<string, Secret>>
  /** What the registration is about, if it can be a name in the config. */
  readonly account: string | undefined
  /** Files that held a secret. */
  readonly files: readonly string[]
}

type Value = string | number | Secret

const instanceName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
/** Of the field that says for whom credentials are minted. */
const accountLabel = 'Account'

/**
 * The values of all fields: given as options, else asked for on a terminal. What is given is looked at before anything is
 * asked. Throws `usage`, which names the option, for what is wrong, and for what is missing where nobody can be asked.
 */
export async function fillLogin(
  kind: KindView,
  given: ReadonlyMap<string, string>,
  ask: Asker | undefined = terminalAsker(),
): Promise<Login> {
  const fromStdin = kind.login.filter((field) => isStdin(field, given))
  if (fromStdin.length > 1) throw new JitError('usage', `${fromStdin.map(flagOf).join(' and ')} cannot both be read from stdin`)
  const found = new Map<Field, Value>()
  const files: string[] = []
  const take = async (field: Field, text: string | Secret): Promise<void> => {
    found.set(field, await valueOf(field, text))
    if (field.secret && typeof text === 'string' && text !== '-') files.push(text)
  }
  for (const field of kind.login) {
    const text = given.get(field.name)
    if (text !== undefined && !isStdin(field, given)) await take(field, text)
  }
  for (const field of kind.login) {
    if (given.has(field.name) || !field.required) continue
    if (ask === undefined)
      throw new JitError('usage', `${field.argument === true ? field.name.toUpperCase() : flagOf(field)} is missing: ${field.help}`, {
        hint: `\`jit login ${kind.kind} --help\` shows what it takes.`,
      })
    // Nobody who is asked means stdin.
    await ask(field, (answer) => take(field, answer === '-' ? './-' : answer))
  }
  for (const field of fromStdin) await take(field, '-')
  return sort(kind, found, files)
}

function isStdin(field: Field, given: ReadonlyMap<string, string>): boolean {
  return field.secret && given.get(field.name) === '-'
}

function sort(kind: KindView, found: ReadonlyMap<Field, Value>, files: readonly string[]): Login {
  const config: Record<string, string | number> = {}
  const secrets: Record<string, Secret> = {}
  let account: string | undefined
  for (const field of kind.login) {
    const value = found.get(field)
    if (value instanceof Secret) secrets[field.name] = value
    else if (value !== undefined) config[field.name] = value
    const named = field.argument === true && typeof value === 'string' ? nameOfUrl(value) : value
    if ((field.argument === true || field.label === accountLabel) && typeof named === 'string' && instanceName.test(named)) account = named
  }
  return { config, secrets, account, files }
}

/** `https://mcp.linear.app/mcp` → `linear`; undefined for an address of numbers. */
function nameOfUrl(text: string): string | undefined {
  const host = URL.parse(text)?.hostname ?? ''
  if (!/[a-z]/i.test(host) || host.startsWith('[')) return undefined
  const labels = host.split('.')
  const telling = labels.slice(0, Math.max(1, labels.length - 1)).filter((label) => !/^(mcp|api|www|app)$/.test(label))
  return telling.at(-1)
}

/** App ids and the like are numbers in the config file where they look like one; the kind's own schema has the last word. */
async function valueOf(field: Field, text: string | Secret): Promise<Value> {
  if (text instanceof Secret) return secretOf(field, text)
  if (field.secret) return readSecret(field, text)
  const isNumber = /^\d{1,15}$/.test(text) && String(Number(text)) === text
  if (field.type === 'number' && !isNumber) throw new JitError('usage', `${flagOf(field)} takes a number, not ${quote(text)}`)
  if (field.pattern !== undefined && !new RegExp(`^(?:${field.pattern})$`).test(text))
    throw new JitError('usage', `${flagOf(field)} takes ${field.help}, not ${quote(text)}`, { hint: 'Nothing was registered.' })
  return isNumber ? Number(text) : text
}
