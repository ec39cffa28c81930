import type { KindView } from '../api/schema.ts'
import { JitError, quote } from '../core/errors.ts'

export type Field = KindView['login'][number]

export interface LoginWords {
  readonly name: string | undefined
  /** Field → what its option said. */
  readonly values: ReadonlyMap<string, string>
}

/** `[url] [name] --app-id 1 --installation=acme`: the options of this kind, wherever what has no flag stands among them. */
export function readLogin(kind: KindView, words: readonly string[]): LoginWords {
  const fields = new Map(kind.login.map((field) => [flagOf(field), field]))
  const values = new Map<string, string>()
  const names: string[] = []
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (!word.startsWith('--')) {
      names.push(word)
      continue
    }
    const at = word.indexOf('=')
    const flag = at === -1 ? word : word.slice(0, at)
    const field = fields.get(flag)
    if (field === undefined)
      throw new JitError('usage', `${kind.kind} has no option ${quote(flag)}`, { hint: `It has ${[...fields.keys()].join(', ')}.` })
    if (values.has(field.name)) throw new JitError('usage', `${flag} is given twice`)
    const next = words[index + 1]
    if (at === -1 && (next === undefined || next.startsWith('--'))) throw new JitError('usage', `${flag} needs a value: ${field.help}`)
    values.set(field.name, at === -1 ? (next ?? '') : word.slice(at + 1))
    if (at === -1) index += 1
  }
  for (const field of kind.login) {
    if (field.argument !== true || values.has(field.name)) continue
    const value = names.shift()
    if (value !== undefined) values.set(field.name, value)
  }
  const [name, ...more] = names
  if (more.length > 0)
    throw new JitError('usage', `there is one name to give, not ${names.length}: ${names.map((each) => quote(each)).join(', ')}`)
  return { name, values }
}

/** `privateKey` → `--private-key` */
export function flagOf(field: Pick<Field, 'name'>): string {
  return `--${field.name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
