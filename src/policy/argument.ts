import { quote } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { Refusal } from './refusal.ts'

/** Longest text (UTF-16 units) of an argument that a rule reads; a longer one is denied unread. */
export const maxArgumentLength = 4096

/** An argument that a rule names: `issue_number`, or `input.title` within an object. */
export interface ArgumentName {
  readonly text: string
  readonly steps: readonly string[]
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*$/

/** Undefined when the text cannot name an argument. */
export function parseArgumentName(text: string): ArgumentName | undefined {
  return namePattern.test(text) && !text.split('.').includes('__proto__') ? { text, steps: text.split('.') } : undefined
}

/** `input` of `input.title` */
export function topOf(name: string): string {
  return name.split('.', 1)[0] ?? ''
}

/** The argument's value, or undefined; only what the call itself carries, never what objects inherit. */
export function readArgument(args: JsonObject, name: ArgumentName): Json | undefined {
  let value: Json | undefined = args
  for (const step of name.steps) {
    if (!isJsonObject(value) || !Object.hasOwn(value, step)) return undefined
    value = value[step]
  }
  return value
}

/** Like `readArgument`, for an argument that the rule at `at` cannot do without: absent and null are refused. */
export function needArgument(args: JsonObject, name: ArgumentName, at: string): Json {
  const value = readArgument(args, name)
  if (value === undefined || value === null) throw new Refusal(`the call has no ${name.text}`, at)
  return value
}

/** Text, number or boolean as it stands in a URL or a name. Refuses lists, objects and numbers that have no plain spelling. */
export function printScalar(value: Json, name: ArgumentName, at: string): string {
  if (typeof value === 'string') {
    if (value.length > maxArgumentLength)
      throw new Refusal(`${name.text} has ${value.length} characters; policy reads at most ${maxArgumentLength}`, at)
    return value
  }
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    const text = String(value)
    if (/^-?\d+(\.\d+)?$/.test(text)) return text
  }
  throw new Refusal(`${name.text} ${quote(value, 60)} is no text, number or boolean`, at)
}

const forbidden: readonly (readonly [RegExp, string])[] = [
  [/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u, 'a control character'],
  [/\*/, '"*"'],
  [/\?/, '"?"'],
  [/\$\{/, '"${"'],
  [/\.\./, '".."'],
  [/%/, '"%"'],
  [/\\/, 'a backslash'],
]

/** Most values are plain words; the others are looked at closely. */
const plainWord = /^[\w /:,#@-]*$/

/** What no value from a call may carry into a scope or a request rule. */
export function refuseMetacharacters(text: string, name: ArgumentName, at: string): void {
  if (plainWord.test(text)) return
  for (const [pattern, label] of forbidden) {
    if (pattern.test(text)) throw new Refusal(`${name.text} ${quote(text, 60)} contains ${label}`, at)
  }
  if (!text.isWellFormed()) throw new Refusal(`${name.text} ${quote(text, 60)} is not valid Unicode`, at)
}
