import type { Json, JsonObject } from '../core/json.ts'
import { type ArgumentName, printScalar, readArgument } from './argument.ts'
import { RuleError } from './refusal.ts'
import { type TemplatePart } from './template.ts'

/** Throws RuleError, "WHAT takes ${args.NAME} only", for parts that only other places know. */
export function requirePlain(parts: readonly TemplatePart[], what: string): void {
  for (const part of parts)
    if (part.kind === 'seen' || (part.kind === 'argument' && part.form !== 'plain')) throw new RuleError(`${what} takes \${args.NAME} only`)
}

/**
 * The text of parts that `requirePlain` let through, with this call's arguments; undefined when one of them is absent. `take` sees each
 * argument before it stands there, and throws Refusal for one that must not. `at` is the rule's path for refusals.
 */
export function fillText(
  parts: readonly TemplatePart[],
  args: JsonObject,
  at: string,
  take: (printed: string, name: ArgumentName, value: Json) => void,
): string | undefined {
  let text = ''
  for (const part of parts) {
    if (part.kind === 'text') text += part.text
    if (part.kind !== 'argument') continue
    const value = readArgument(args, part.name)
    if (value === undefined || value === null) return undefined
    const printed = printScalar(value, part.name, at)
    take(printed, part.name, value)
    text += printed
  }
  return text
}
