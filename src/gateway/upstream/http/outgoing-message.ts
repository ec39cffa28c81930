import { isJsonObject, type JsonObject, scalarJson } from '../../../core/json.ts'
import type { Outgoing } from '../upstream.ts'

/** What the transport has to know of a message on its way to a server. */
export interface OutgoingMessage {
  readonly bytes: Buffer
  /** Undefined for notifications and for answers to the server. */
  readonly request: Outgoing | undefined
  /** Empty for answers to the server. */
  readonly method: string
  readonly params: JsonObject
  /** Of 2026-07-28 and later, where each message names its revision itself; undefined before. */
  readonly revision: string | undefined
}

const revisionKey = 'io.modelcontextprotocol/protocolVersion'
/** Above this, a governed call without that key is not parsed: nothing else of it matters. */
const parsedUpTo = 64 * 1024

/** The line is JSON already; nothing is thrown. */
export function readOutgoing(line: string | Buffer, request: Outgoing | undefined): OutgoingMessage {
  const bytes = typeof line === 'string' ? Buffer.from(line) : line
  const plain = { bytes, request, method: '', params: {}, revision: undefined }
  if (bytes.length > parsedUpTo && request?.call !== undefined && !bytes.includes(revisionKey)) return plain
  const value = parse(bytes)
  const method = value['method']
  if (typeof method !== 'string') return plain
  const params = value['params']
  if (!isJsonObject(params)) return { ...plain, method }
  const meta = params['_meta']
  const revision = isJsonObject(meta) ? meta[revisionKey] : undefined
  return { bytes, request, method, params, revision: typeof revision === 'string' ? revision : undefined }
}

/** JSON of the id that a cancellation names. */
export function cancelledId({ params }: OutgoingMessage): string {
  const id = params['requestId']
  return typeof id === 'string' || typeof id === 'number' ? scalarJson(id) : ''
}

function parse(bytes: Buffer): JsonObject {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}
