import { hash } from 'node:crypto'
import { isJsonObject } from '../core/json.ts'
import { cutFields, cutTexts, longestRecord, longestText } from './cut.ts'
import type { AuditEvent, AuditRecord, CallIntent, CloseFields } from './event.ts'
import { fieldsJson } from './fields.ts'

/** `prev` of the first record. */
export const firstHash = '0'.repeat(64)

/** `,"hash":"` + 64 hex digits + `"}` */
const closingLength = 75
const opening = /^\{"seq":(\d{1,15}),"time":"[0-9TZ:.+-]{20,32}","prev":"([0-9a-f]{64})",/
const timeAtStart = /\{"seq":\d{1,15},"time":"([0-9TZ:.+-]{20,32})"/y
const closing = /^,"hash":"([0-9a-f]{64})"\}$/
/** Longest match of `opening`, in bytes. */
const openingLength = 160

/** A buffer that one burst has made larger than this is given back. */
const largestKept = 1024 * 1024

/** Invisible, bidirectional and terminal control characters that JSON.stringify leaves as they are; U+2028 and U+2029 too. */
const unsafe = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udc7f]/g

/** What the chain needs of a line. */
export interface Link {
  readonly seq: number
  readonly prev: string
  readonly hash: string
  /** Whether `hash` is that of the line's bytes. */
  readonly genuine: boolean
}

/** An event; with `close`, the closing record of the call whose intent the event is. */
export type Entry = { readonly event: AuditEvent; readonly close?: undefined } | { readonly event: CallIntent; readonly close: CloseFields }

const comma = 0x2c
const newline = 0x0a
/** What stands around an event's fields, at the most. */
const frameLength = openingLength + closingLength + 1
/** Bytes of one UTF-16 code unit in UTF-8, at the most. */
const longestCharacter = 3

/**
 * Lines of the trail, `{"seq":…,"time":…,"prev":…,…event…,"hash":…}`, one behind the other in one buffer that is used again: a
 * record is turned into bytes once, and those are hashed and written.
 */
export class RecordBuffer {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024)
  #end = 0

  /** Valid until the next `clear`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  clear(): void {
    this.#end = 0
    if (this.#buffer.length > largestKept) this.#buffer = Buffer.allocUnsafeSlow(64 * 1024)
  }

  /** Adds the line of the event, or of the close of the call that it intends, and answers its hash. */
  add({ event, close }: Entry, seq: number, time: string, prev: string): string {
    const json = close === undefined ? encodeEvent(event) : encodeClose(event, close)
    const start = this.#end
    this.#reserve(frameLength + json.length * longestCharacter)
    const fields = start + this.#buffer.write(`{"seq":${seq},"time":"${time}","prev":"${prev}"`, start, 'latin1')
    // The event's own braces give way: the first to a comma, the last to what closes the line.
    const end = fields + this.#write(json, fields) - 1
    const buffer = this.#buffer
    buffer[fields] = comma
    const digest = hash('sha256', buffer.subarray(start, end))
    this.#end = end + buffer.write(`,"hash":"${digest}"}`, end, 'latin1')
    buffer[this.#end] = newline
    this.#end += 1
    return digest
  }

  /** Nearly every record is plain ASCII, which shows in its length; only another one can hold what must be escaped, but for DEL. */
  #write(json: string, at: number): number {
    const length = this.#buffer.write(json, at)
    if (length === json.length && !json.includes('\u007f')) return length
    const escaped = json.replace(unsafe, escape)
    this.#reserve(frameLength + escaped.length * longestCharacter)
    return this.#buffer.write(escaped, at)
  }

  #reserve(length: number): void {
    if (this.#end + length <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#end + length))
    this.#buffer.copy(larger)
    this.#buffer = larger
  }
}

/** The chain's part of a line (without its newline); undefined when the line is not one that the log wrote. */
export function readLink(line: Buffer): Link | undefined {
  const open = opening.exec(line.toString('latin1', 0, openingLength))
  const close = closing.exec(line.toString('latin1', Math.max(0, line.length - closingLength)))
  if (open === null || close === null) return undefined
  const [, seq = '', prev = ''] = open
  const [, stated = ''] = close
  return { seq: Number(seq), prev, hash: stated, genuine: hash('sha256', line.subarray(0, line.length - closingLength)) === stated }
}

/** The record of a line, undefined when it is none. Whether it is genuine is for verify to say. */
export function parseRecord(line: Buffer): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Milliseconds since 1970 of a line; NaN, which is neither older nor newer than anything, where the log wrote no time. */
export function timeOf(line: Buffer): number {
  return Date.parse(timeTextAt(line.toString('latin1', 0, 80), 0) ?? '')
}

/** The time as the log wrote it into the line that starts there; undefined where it wrote none. */
export function timeTextAt(text: string, start: number): string | undefined {
  timeAtStart.lastIndex = start
  return timeAtStart.exec(text)?.[1]
}

function isRecord(value: unknown): value is AuditRecord {
  return isJsonObject(value) && typeof value['seq'] === 'number' && typeof value['time'] === 'string' && typeof value['type'] === 'string'
}

/**
 * Where an intent keeps its own JSON, which the call's close repeats; under a symbol it stands in no JSON itself. A WeakMap of
 * all the calls that run would cost every garbage collection.
 */
const encoded = Symbol('encoded')

interface Encoded extends CallIntent {
  /** `of`: what is kept with an intent does not count for a changed copy. */
  [encoded]?: { readonly of: CallIntent; readonly json: string }
}

function keepJson(intent: Encoded, json: string): void {
  intent[encoded] = { of: intent, json }
}

function keptJson(intent: Encoded): string | undefined {
  const kept = intent[encoded]
  return kept?.of === intent ? kept.json : undefined
}

const intentOpening = '{"type":"call.intent",'
const closeOpening = '{"type":"call.close",'

/** Most events are far below every cap and are not looked into. */
function encodeEvent(event: AuditEvent): string {
  const json = fieldsJson(event)
  if (json === undefined || json.length > longestText) return encode(cutFields(cutTexts(event), longestRecord, encode))
  if (event.type === 'call.intent' && json.startsWith(intentOpening)) keepJson(event, json)
  return json
}

function encodeClose(intent: CallIntent, close: CloseFields): string {
  const known = keptJson(intent)
  const own = known === undefined ? undefined : fieldsJson(close)
  if (known === undefined || own === undefined || known.length + own.length > longestText)
    return encodeEvent({ ...intent, type: 'call.close', ...close })
  return `${closeOpening}${known.slice(intentOpening.length, -1)},${own.slice(1)}`
}

/** JSON on one line, whoever splits it: some readers take U+2028 for the end of one. */
export function encode(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(unsafe, escape)
}

function escape(characters: string): string {
  let text = ''
  for (let index = 0; index < characters.length; index++) text += `\\u${characters.charCodeAt(index).toString(16).padStart(4, '0')}`
  return text
}
