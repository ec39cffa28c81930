import { hash } from 'node:crypto'
import { isJsonObject } from '../core/json.ts'
import { cutFields, cutTexts, longestRecord, longestText } from './cut.ts'
import type { AuditEvent, AuditRecord } from './event.ts'

/** `prev` of the first record. */
export const firstHash = '0'.repeat(64)

/** `,"hash":"` + 64 hex digits + `"}` */
const closingLength = 75
const opening = /^\{"seq":(\d{1,15}),"time":"[0-9TZ:.+-]{20,32}","prev":"([0-9a-f]{64})",/
const closing = /^,"hash":"([0-9a-f]{64})"\}$/
/** Longest match of `opening`, in bytes. */
const openingLength = 160

/** Invisible, bidirectional and terminal control characters that JSON.stringify leaves as they are; U+2028 and U+2029 too. */
const unsafe = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udc7f]/g

export interface EncodedRecord {
  /** The line with its newline. */
  readonly bytes: Buffer
  readonly hash: string
}

/** What the chain needs of a line. */
export interface Link {
  readonly seq: number
  readonly prev: string
  readonly hash: string
  /** Whether `hash` is that of the line's bytes. */
  readonly genuine: boolean
}

/** One line of the trail: `{"seq":…,"time":…,"prev":…,…event…,"hash":…}`. */
export function encodeRecord(event: AuditEvent, seq: number, time: string, prev: string): EncodedRecord {
  const body = `{"seq":${seq},"time":"${time}","prev":"${prev}",${encodeFields(event)}`
  const digest = hash('sha256', body)
  return { bytes: Buffer.from(`${body},"hash":"${digest}"}\n`), hash: digest }
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

function isRecord(value: unknown): value is AuditRecord {
  return isJsonObject(value) && typeof value['seq'] === 'number' && typeof value['time'] === 'string' && typeof value['type'] === 'string'
}

/** The event's fields as JSON without the outer braces. Most events are far below every cap and are not looked into. */
function encodeFields(event: AuditEvent): string {
  let text = tryStringify(event)
  if (text === undefined || text.length > longestText) {
    text = encode(cutFields(cutTexts(event), longestRecord, encode))
  }
  return text.replace(unsafe, escape).slice(1, -1)
}

/** Undefined for what JSON.stringify gives up on: nesting beyond the stack. */
function tryStringify(event: AuditEvent): string | undefined {
  try {
    return JSON.stringify(event)
  } catch {
    return undefined
  }
}

function encode(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(unsafe, escape)
}

function escape(characters: string): string {
  let text = ''
  for (let index = 0; index < characters.length; index++) text += `\\u${characters.charCodeAt(index).toString(16).padStart(4, '0')}`
  return text
}
