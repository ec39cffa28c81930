import { fields } from './scope.ts'
import { plain, plainJson } from './text.ts'

/** Columns that a list or map of plain values may take to stand on one line of a JSON text. */
const widestInline = 60

/**
 * What is asked of an upstream, one line for each field where it fits on one; a policy in the form in which people read
 * policies, and can copy them. Escaped.
 */
export function outline(value: object): string {
  return Object.entries(value).map(line).join('\n')
}

/** Whether fields hold texts, numbers, and lists or maps of them; a text with a comma in a list would look like two. */
export function isFlat(value: object): boolean {
  return Object.values(value).every((part) => !isDeep(part) && (Array.isArray(part) || typeof part !== 'object'))
}

function line([name, value]: readonly [string, unknown]): string {
  if (typeof value !== 'object' || value === null) return plain(`${name}: ${String(value)}`)
  if (Array.isArray(value) && !isDeep(value)) return plain(`${name}: ${value.join(', ')}`)
  if (!Array.isArray(value) && isFlat(value)) return plain(`${name} (${fields(value)})`)
  return `${plain(name)}:\n${plainJson(json(value, ''))}`
}

function isDeep(value: unknown): boolean {
  return typeof value === 'object' && (!Array.isArray(value) || value.some((item) => typeof item === 'object' || /[,;]/.test(String(item))))
}

/** JSON in lines, with what is short and plain on one. */
function json(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const children = Object.entries(value)
  const flat = JSON.stringify(value)
  if (flat.length <= widestInline && children.every(([, child]) => typeof child !== 'object'))
    return flat.replaceAll(/("(?:[^"\\]|\\.)*")|([,:])/g, (_, text: string | undefined, mark: string) => text ?? `${mark} `)
  const inner = `${indent}  `
  const lines = children.map(([key, child]) => `${inner}${Array.isArray(value) ? '' : `${JSON.stringify(key)}: `}${json(child, inner)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`
}
