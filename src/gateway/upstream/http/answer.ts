import type { IncomingMessage } from 'node:http'
import { isJsonObject, type JsonObject } from '../../../core/json.ts'
import type { Id } from '../../protocol/jsonrpc.ts'
import { writeAgain } from '../../protocol/server-line.ts'
import { Bytes } from './bytes.ts'
import { EventStream } from './event-stream.ts'

export interface AnswerReader {
  /** Longest message in bytes. */
  readonly cap: number
  /** One message, as one line. */
  onLine(line: Buffer): void
  onTooLong(bytes: number, head: Buffer): void
  /** An event by another name than `message`, in a stream. */
  onOther?(name: string, data: Buffer): void
  /** The stream can be asked for again: an event said so that says nothing else. */
  onPrimed?(): void
  /** How long to wait before the stream is asked for again, in milliseconds. */
  onRetry?(delay: number): void
  /** Once: nothing comes any more. `lastId`: of the last event that had one; `whole`: it did not break off. */
  onEnd(lastId: string, whole: boolean): void
}

export type Form = 'json' | 'stream' | 'other'

/** What the body is. Other codings than the one that was asked for are not unpacked, whatever they would unpack to. */
export function formOf({ headers }: IncomingMessage): Form {
  if (!/^(identity)?$/i.test(headers['content-encoding'] ?? '')) return 'other'
  const [type = ''] = (headers['content-type'] ?? '').split(';')
  switch (type.trim().toLowerCase()) {
    case 'application/json':
      return 'json'
    case 'text/event-stream':
      return 'stream'
    default:
      return 'other'
  }
}

/** What it says that it is, in quotes; `scrub`: without what it echoes. */
export function kindOf({ headers }: IncomingMessage, scrub: (text: string) => string): string {
  const coding = headers['content-encoding']
  return JSON.stringify(scrub(coding === undefined ? (headers['content-type'] ?? 'nothing') : `coded as ${coding}`).slice(0, 100))
}

/** Reads a body of messages, at the pace at which the response flows. */
export function readAnswer(response: IncomingMessage, form: 'json' | 'stream', reader: AnswerReader): void {
  let over = false
  const end = (lastId: string, whole: boolean): void => {
    if (over) return
    over = true
    reader.onEnd(lastId, whole)
  }
  if (form === 'json') return readJson(response, reader, end)
  const stream = new EventStream(reader.cap, {
    onEvent: (name, data) => (name === 'message' ? reader.onLine(data) : reader.onOther?.(name, data)),
    onTooLong: (bytes, head) => reader.onTooLong(bytes, head),
    onPrimed: () => reader.onPrimed?.(),
    onRetry: (delay) => reader.onRetry?.(delay),
  })
  response.on('data', (chunk: Buffer) => stream.read(chunk))
  response.once('end', () => end(stream.lastId, true))
  response.once('close', () => end(stream.lastId, false))
}

function readJson(
  response: IncomingMessage,
  { cap, onLine, onTooLong }: AnswerReader,
  end: (lastId: string, whole: boolean) => void,
): void {
  const body = new Bytes()
  let size = 0
  response.on('data', (chunk: Buffer) => {
    size += chunk.length
    // Above the cap the head is enough, for the message that names it.
    if (size <= cap || body.size === 0) body.add(chunk.subarray(0, Math.max(1024, cap)))
  })
  response.once('end', () => {
    if (size > cap) onTooLong(size, body.take())
    else for (const line of messagesIn(body.take())) onLine(line)
    end('', true)
  })
  response.once('close', () => end('', false))
}

const spaces = new Set([9, 10, 13, 32])
const [opening, lineFeed, carriageReturn] = [0x5b, 10, 13]

/** The messages of a body, each in one line: line breaks stand between its tokens only, where a space says the same. */
export function messagesIn(body: Buffer): Buffer[] {
  const first = body.find((byte) => !spaces.has(byte))
  if (first === undefined) return []
  if (first === opening) {
    const batch = parse(body)
    if (Array.isArray(batch)) return batch.flatMap((one: unknown) => writeAgain(one) ?? [])
  }
  for (const end of [lineFeed, carriageReturn]) {
    for (let at = body.indexOf(end); at !== -1; at = body.indexOf(end, at)) body[at] = 32
  }
  return [body]
}

/**
 * The answer of JSON-RPC in the body of an HTTP error, under the id of the request: servers that refuse a request before they
 * read it leave the id out. Undefined for any other body.
 */
export function answerIn(body: Buffer, id: Id): Buffer | undefined {
  const value = parse(body)
  if (!isJsonObject(value) || 'method' in value) return undefined
  const { error } = value
  // Servers before 2024 leave `jsonrpc` out of such bodies, and so do some frameworks for it: then it is none.
  if (value['jsonrpc'] !== '2.0' || !isJsonObject(error) || typeof error['code'] !== 'number') return undefined
  const own = value['id'] ?? null
  if (own === id) return messagesIn(body)[0]
  return own === null ? writeAgain(withId(value, id)) : undefined
}

/** Its keys in their order. */
function withId(value: JsonObject, id: Id): JsonObject {
  return 'id' in value ? { ...value, id } : { jsonrpc: '2.0', id, ...value }
}

/** Whether a message answers something. */
export function isAnswer(line: Buffer): boolean {
  const value = parse(line)
  return isJsonObject(value) && !('method' in value)
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
