import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../../core/clock.ts'

const discardCap = 64 * 1024
const discardFor = 1000
const wordsCap = 64 * 1024

/** Reads what nobody wants, so that the connection can be kept; ends it when that takes long. */
export function discard(response: IncomingMessage, clock: Clock): void {
  let size = 0
  const cancel = clock.after(discardFor, () => response.destroy())
  response.removeAllListeners('data')
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > discardCap) response.destroy()
  })
  response.once('close', cancel)
  response.resume()
}

/** The body of a refusal, as far as it is looked at; one that takes long is cut there. Never rejects. */
export function readRefusal(response: IncomingMessage, clock: Clock, timeout: number, done: (body: Buffer) => void): void {
  const pieces: Buffer[] = []
  let size = 0
  let over = false
  const end = (): void => {
    if (over) return
    over = true
    cancel()
    done(Buffer.concat(pieces))
    if (!response.complete) response.destroy()
  }
  const cancel = clock.after(timeout, end)
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= wordsCap) pieces.push(chunk)
    else end()
  })
  response.once('end', end)
  response.once('close', end)
  response.resume()
}

/**
 * What people can read of it, in one line; nothing of one that was not read to its end: a credential in it could be cut, and would not be
 * known for one. For the same reason it is cut behind the scrubber only.
 */
export function wordsOf(response: IncomingMessage, body: Buffer): string {
  if (!response.complete) return ''
  const type = response.headers['content-type'] ?? ''
  const [, form = ''] = /^(text\/plain|application\/(?:.*\+)?json)\b/i.exec(type) ?? []
  if (form === '' || !readable(type) || !/^(identity)?$/i.test(response.headers['content-encoding'] ?? '')) return ''
  const text = body.toString('utf8')
  return (/json$/i.test(form) ? plainJson(text) : text).replaceAll(/\s+/g, ' ').trim()
}

/** In another charset a credential would not be known for one. */
function readable(type: string): boolean {
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(type) ?? []
  return /^(utf-?8|us-ascii|iso-8859-1)$/i.test(charset)
}

/** With no more escapes than JSON needs: the scrubber knows those, and not each that a server may choose. */
function plainJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return text.includes('\\') ? '' : text
  }
}

/** 404 as the specification says, or 400 with words about it: so do many servers that are made after the SDK's example. */
export function knowsNoSession(status: number, body: Buffer): boolean {
  return status === 404 || (status === 400 && /"message"\s*:\s*"[^"]{0,100}\bsession\b/i.test(body.toString('latin1', 0, 2000)))
}
