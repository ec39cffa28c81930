import type { IncomingMessage } from 'node:http'
import type { Json } from '../core/json.ts'
import { parseForm, writeForm } from './form.ts'

/** A body that rules bind is read whole; what else goes upstream is streamed. */
export const boundBodyCap = 1024 * 1024

/** A body as rules judge it. */
export type BoundBody =
  | { readonly kind: 'json'; readonly value: Json }
  /** Each field once. */
  | { readonly kind: 'form'; readonly fields: ReadonlyMap<string, string> }

export type BodyReading =
  | {
      readonly ok: true
      readonly body: BoundBody
      /** The value serialised anew: what was judged is what travels, whatever another reader makes of the bytes that came. */
      readonly bytes: Buffer
    }
  | { readonly ok: false; readonly status: number; readonly reason: string }

/** Reads a body for the rules that bind it: JSON, or a form where one of them takes it (`forms`). Throws when the client breaks off. */
export async function readBoundBody(
  request: IncomingMessage,
  contentType: string,
  placeholder: string,
  forms = false,
): Promise<BodyReading> {
  if (!/^(identity)?$/i.test(request.headers['content-encoding'] ?? '')) return refused(415, 'a body in a coding where a rule binds it')
  const kind = kindOf(contentType)
  if (kind === undefined || (kind === 'form' && !forms))
    return refused(415, `a body that is not declared as JSON${forms ? ' or as a form' : ''} where a rule binds it`)
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > boundBodyCap) return refused(413, `a body over ${boundBodyCap} bytes where a rule binds it`)
    parts.push(part)
  }
  const bytes = Buffer.concat(parts)
  const reading = kind === 'json' ? parseBody(bytes) : readForm(bytes)
  const spelt = reading.ok ? [bytes, reading.bytes] : [bytes]
  const holds = spelt.some((text) => text.includes(placeholder)) || (reading.ok && hasField(reading.body, placeholder))
  return holds ? refused(403, 'the placeholder in the body') : reading
}

function kindOf(contentType: string): BoundBody['kind'] | undefined {
  const [, type = ''] = /^([^;\s]+)\s*(?:;\s*charset="?utf-8"?\s*)?$/i.exec(contentType) ?? []
  if (/^application\/([\w.+-]+\+|x-amz-)?json(?:-1\.[01])?$/i.test(type)) return 'json'
  return /^application\/x-www-form-urlencoded$/i.test(type) ? 'form' : undefined
}

function readForm(bytes: Buffer): BodyReading {
  const fields = parseForm(bytes)
  if (fields === undefined)
    return refused(400, 'a form that two readers could read differently, or with a field twice, where a rule binds it')
  return { ok: true, body: { kind: 'form', fields }, bytes: writeForm(fields) }
}

/** Escaped it stands in no spelling of the body. */
function hasField(body: BoundBody, text: string): boolean {
  return body.kind === 'form' && [...body.fields].some(([name, value]) => name.includes(text) || value.includes(text))
}

/** JSON in UTF-8 without duplicate keys, whose numbers keep their digits. */
export function parseBody(bytes: Buffer): BodyReading {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: Json = /\d{16}|\d[eE]/.test(text) ? JSON.parse(text, exact) : JSON.parse(text)
    if (text.includes('\\') && hasBackslashKey(value)) return refused(400, 'a body with a key that is a backslash where a rule binds it')
    if (membersIn(text) !== membersOf(value)) return refused(400, 'a body with a key twice where a rule binds it')
    return { ok: true, body: { kind: 'json', value }, bytes: Buffer.from(JSON.stringify(value)) }
  } catch {
    return refused(400, 'a body that is no JSON, or holds a number that loses digits, where a rule binds it')
  }
}

/** Members as the text of valid JSON spells them: what stands outside of strings has a colon for each. */
function membersIn(text: string): number {
  return text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '').split(':').length - 1
}

/**
 * V8 13.6 reads a key of one escaped character as a backslash once it has seen such a key after the same others:
 * `JSON.parse('{"H":0,"\\\\":1}')`, then `JSON.parse('{"H":0,"\\u0048":1}')`, and the second `H` is gone.
 */
function hasBackslashKey(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false
  return (!Array.isArray(value) && Object.hasOwn(value, '\\')) || Object.values(value).some((child) => hasBackslashKey(child))
}

/** Members that were left when it was read. */
function membersOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0
  const children = Object.values(value)
  return (Array.isArray(value) ? 0 : children.length) + children.reduce<number>((sum, child) => sum + membersOf(child), 0)
}

function exact(_: string, value: Json, context?: { source?: string }): Json {
  if (typeof value === 'number' && context?.source !== undefined && !keepsDigits(value, context.source))
    throw new RangeError('a number loses digits')
  return value
}

function keepsDigits(value: number, source: string): boolean {
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(value)
  return (
    Number.isFinite(value) &&
    source
      .replace(/[eE].*$/, '')
      .replace(/[-.]/g, '')
      .replace(/^0+/, '').length <= 17
  )
}

function refused(status: number, reason: string): BodyReading {
  return { ok: false, status, reason }
}
