import type { IncomingMessage } from 'node:http'
import type { Json } from '../core/json.ts'

/** A body that rules bind is read whole; what else goes upstream is streamed. */
export const boundBodyCap = 1024 * 1024

export type BodyReading =
  | {
      readonly ok: true
      readonly value: Json
      /** The value serialised anew: what was judged is what travels, whatever another reader makes of the bytes that came. */
      readonly bytes: Buffer
    }
  | { readonly ok: false; readonly status: number; readonly reason: string }

/** Reads a JSON body for the rules that bind it. Throws when the client breaks off. */
export async function readBoundBody(request: IncomingMessage, contentType: string, placeholder: string): Promise<BodyReading> {
  if (!/^application\/([\w.+-]+\+)?json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(contentType))
    return refused(415, 'a body that is not declared as JSON where a rule binds it')
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > boundBodyCap) return refused(413, `a body over ${boundBodyCap} bytes where a rule binds it`)
    parts.push(part)
  }
  const bytes = Buffer.concat(parts)
  if (bytes.includes(placeholder)) return refused(403, 'the placeholder in the body')
  return parseBody(bytes)
}

/** JSON in UTF-8 whose numbers keep their digits. Duplicate keys do not travel on: the last one is judged and sent. */
export function parseBody(bytes: Buffer): BodyReading {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: Json = /\d{16}|\d[eE]/.test(text) ? JSON.parse(text, exact) : JSON.parse(text)
    return { ok: true, value, bytes: Buffer.from(JSON.stringify(value)) }
  } catch {
    return refused(400, 'a body that is no JSON, or holds a number that loses digits, where a rule binds it')
  }
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
