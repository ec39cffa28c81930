/** Most fields of one form; AWS's own calls have some hundred. */
const mostFields = 1000

/**
 * Reads a form (application/x-www-form-urlencoded) strictly: UTF-8, complete escapes, each field once, nothing empty between
 * `&`. Undefined for what two readers could read differently.
 */
export function parseForm(bytes: Buffer): ReadonlyMap<string, string> | undefined {
  const text = bytes.toString('latin1')
  // What a client escapes, some readers take unescaped; `;` is a separator for some.
  if (!/^[A-Za-z0-9*._~%+&=!'()/:@,$-]*$/.test(text)) return undefined
  const fields = new Map<string, string>()
  const parts = text === '' ? [] : text.split('&')
  if (parts.length > mostFields) return undefined
  for (const part of parts) {
    const equals = part.indexOf('=')
    const name = decode(equals === -1 ? part : part.slice(0, equals))
    const value = decode(equals === -1 ? '' : part.slice(equals + 1))
    if (name === undefined || value === undefined || name === '' || fields.has(name)) return undefined
    fields.set(name, value)
  }
  return fields
}

/** The fields in the order in which they came, each escaped in the one way that every reader understands. */
export function writeForm(fields: ReadonlyMap<string, string>): Buffer {
  return Buffer.from(Array.from(fields, ([name, value]) => `${encode(name)}=${encode(value)}`).join('&'))
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** RFC 3986: all but letters, digits and `-._~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
