import type { Secret } from './secret.ts'
import { trimSeparators } from './separators.ts'

/** Shorter values are no credentials, and removing them would remove ordinary words. */
export const shortestSecret = 8

export interface Spellings {
  /** As they stand in JavaScript text, and in UTF-8 bytes read as latin1. */
  readonly text: readonly string[]
  readonly bytes: readonly string[]
}

const spelt = new WeakMap<Secret, Spellings>()

/** A secret as people and programs write it. Made once for each. */
export function spellingsOf(secret: Secret): Spellings {
  const known = spelt.get(secret)
  if (known !== undefined) return known
  const value = secret.reveal()
  const ascii = asciiSpellings(value)
  const json = JSON.stringify(value).slice(1, -1)
  const literal = [value, json, json.replaceAll('/', '\\/'), ...strictJson(json)]
  const made = {
    text: withTrimmed([...literal, ...ascii]),
    bytes: withTrimmed([...literal.map((text) => Buffer.from(text).toString('latin1')), ...ascii]),
  }
  spelt.set(secret, made)
  return made
}

/** Also without what may stand apart at their ends, a percent sign or a quote: the rest is the secret still. */
function withTrimmed(spellings: readonly string[]): string[] {
  const trimmed = spellings.map(trimSeparators).filter(({ length }) => length >= shortestSecret)
  return [...new Set([...spellings, ...trimmed])]
}

/** Those that consist of ASCII whatever the secret holds. */
function asciiSpellings(value: string): string[] {
  const bytes = Buffer.from(value)
  const hex = bytes.toString('hex')
  const percent = encodeURIComponent(value.toWellFormed())
  const strict = percent.replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  const every = hex.replace(/../g, '%$&')
  // S3 repeats a request whose signature it does not understand in this way.
  const spaced = hex.replace(/..(?=.)/g, '$& ')
  const unicode = Array.from({ length: value.length }, (_, at) => hexOf(value, at))
  return [
    ...[percent, strict, percent.replaceAll('%20', '+'), strict.replaceAll('%20', '+')].flatMap((text) => [text, lowerEscapes(text)]),
    every,
    every.toUpperCase(),
    hex,
    hex.toUpperCase(),
    spaced,
    spaced.toUpperCase(),
    unicode.map((digits) => `\\u${digits}`).join(''),
    unicode.map((digits) => `\\u${digits.toUpperCase()}`).join(''),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ]
}

/**
 * As libraries write JSON that escape more than they must, where that JSON is a text within a message: Python's, PHP's, Go's, Gson's
 * (Java) and that of .NET. The same as others for a secret without such characters.
 */
function strictJson(json: string): string[] {
  const escaped = (characters: RegExp): string => json.replace(characters, (text) => `\\u${hexOf(text, text.length - 1)}`)
  const beyondAscii = escaped(/[^\0-\x7f]/g)
  return [
    beyondAscii,
    beyondAscii.replaceAll('/', '\\/'),
    escaped(/[<>&\u2028\u2029]/g),
    escaped(/[<>&='\u2028\u2029]/g),
    escaped(/\\"|[^\0-\x7f]|[&'+<>`]/g).replace(/\\u[0-9a-f]{4}/g, (escape) => `\\u${escape.slice(2).toUpperCase()}`),
  ]
}

function hexOf(text: string, index: number): string {
  return text.charCodeAt(index).toString(16).padStart(4, '0')
}

function lowerEscapes(text: string): string {
  return text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
}

/** The characters of the base64 that depend on the secret alone, when it stands `offset` bytes into a longer text. */
function base64At(bytes: Buffer, offset: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const stable = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  return [stable, stable.replaceAll('+', '-').replaceAll('/', '_')]
}
