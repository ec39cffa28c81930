import { type ArgumentName, parseArgumentName } from './argument.ts'
import { RuleError } from './refusal.ts'

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'argument'; readonly name: ArgumentName; readonly form: 'plain' | 'segments' | 'encoded' | 'base64' }
  | { readonly kind: 'seen'; readonly name: string }

/**
 * Splits a template into its parts: `${args.NAME}`, `${args.NAME...}` (several path segments), `${args.NAME|encoded}` (one path
 * segment with escaped slashes), `${args.NAME|base64}` (bodies) and `${seen.NAME}`. Throws RuleError for any other `${`.
 */
export function parseTemplate(text: string): TemplatePart[] {
  const parts: TemplatePart[] = []
  let end = 0
  for (const match of text.matchAll(/\$\{([^{}]*)\}/g)) {
    pushText(parts, text.slice(end, match.index))
    parts.push(parseExpression(match[1] ?? ''))
    end = match.index + match[0].length
  }
  pushText(parts, text.slice(end))
  return parts
}

/** The parts' text when no argument and no captured value stands in it. */
export function constantText(parts: readonly TemplatePart[]): string | undefined {
  return parts.every((part) => part.kind === 'text') ? parts.map((part) => part.text).join('') : undefined
}

/** Names of the arguments in the parts, as they stand there: `input.title`. */
export function namesIn(parts: readonly TemplatePart[]): string[] {
  return parts.flatMap((part) => (part.kind === 'argument' ? [part.name.text] : []))
}

const forms: Readonly<Record<string, 'segments' | 'encoded' | 'base64'>> = { '...': 'segments', '|encoded': 'encoded', '|base64': 'base64' }

function parseExpression(text: string): TemplatePart {
  const seen = /^seen\.([a-z][a-z0-9_]*)$/i.exec(text)?.[1]
  if (seen !== undefined) return { kind: 'seen', name: seen }
  const match = /^args\.([^|]+?)(\.\.\.|\|encoded|\|base64)?$/.exec(text)
  const name = match?.[1] === undefined ? undefined : parseArgumentName(match[1])
  if (name === undefined)
    throw new RuleError(
      `\${${text}} is no template: write \${args.NAME}, \${args.NAME...}, \${args.NAME|encoded}, \${args.NAME|base64} or \${seen.NAME}`,
    )
  return { kind: 'argument', name, form: forms[match?.[2] ?? ''] ?? 'plain' }
}

function pushText(parts: TemplatePart[], text: string): void {
  if (text.includes('${')) throw new RuleError('"${" opens a template that is not closed')
  if (text !== '') parts.push({ kind: 'text', text })
}
