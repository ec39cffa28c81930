import { isUtf8 } from 'node:buffer'
import { type ErrorCode, JitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { type ScanLimits, scanJson } from './scan.ts'

/** The one revision that has batches. */
export const batchRevision = '2025-03-26'

export type Id = string | number

export type Message =
  | { readonly kind: 'request'; readonly id: Id; readonly method: string; readonly params: JsonObject; readonly value: JsonObject }
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject; readonly value: JsonObject }
  | { readonly kind: 'response'; readonly id: Id | null; readonly value: JsonObject }

export type Parsed =
  | { readonly ok: true; readonly message: Message }
  /** `batch`: it is an array, of messages that nobody has looked at yet. */
  | { readonly ok: false; readonly id: Id | null; readonly error: JitError; readonly batch?: readonly unknown[] }

/** One line of a client: bounded, unambiguous, and of JSON-RPC's form, or the error to answer with. */
export function parseMessage(bytes: Buffer, limits: ScanLimits & { readonly messageBytes: number }): Parsed {
  if (bytes.length > limits.messageBytes)
    return refuse('message.too-large', `the message has ${bytes.length} bytes; the cap is ${limits.messageBytes}`, idNear(bytes))
  // What is forwarded as it came could mean something else to a reader that leaves such bytes out.
  if (!isUtf8(bytes)) return refuse('message.malformed', 'the message is not UTF-8', idNear(bytes))
  const text = bytes.toString('utf8')
  const problem = scanJson(text, limits)
  if (problem !== undefined)
    return refuse(/levels$|keys$/.test(problem) ? 'message.malformed' : 'message.ambiguous', `the message holds ${problem}`, idNear(bytes))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false, id: null, error: new JitError('message.malformed', 'the message is not JSON', { details: { unreadable: true } }) }
  }
  const message = classify(value)
  if (message !== undefined) return { ok: true, message }
  if (!Array.isArray(value)) return refuse('message.malformed', 'the message is not JSON-RPC 2.0', idNear(bytes))
  const error = new JitError('message.malformed', 'a batch, which only revision 2025-03-26 has')
  return { ok: false, id: null, error, batch: value }
}

export function classify(value: unknown): Message | undefined {
  if (!isJsonObject(value) || value['jsonrpc'] !== '2.0') return undefined
  const { id, method } = { id: value['id'], method: value['method'] }
  const params = value['params'] ?? {}
  if (typeof method === 'string') {
    if (!isJsonObject(params)) return undefined
    if (id === undefined) return { kind: 'notification', method, params, value }
    return isId(id) ? { kind: 'request', id, method, params, value } : undefined
  }
  if (!('result' in value) && !('error' in value)) return undefined
  return id === null || isId(id) ? { kind: 'response', id: id ?? null, value } : undefined
}

/** What JSON-RPC and MCP have a code of their own for: the other end looks for it. */
const protocolCodes: Partial<Record<ErrorCode, number>> = {
  'message.unknown': -32601,
  'message.malformed': -32600,
  'message.foreign': -32602,
}

export function errorAnswer(id: Id | null, error: JitError): JsonObject {
  const code = error.details['unreadable'] === true ? -32700 : (protocolCodes[error.code] ?? error.rpcCode)
  return {
    jsonrpc: '2.0',
    id,
    error: { code, message: `${error.message}. ${error.hint}`, data: { code: error.code, hint: error.hint } },
  }
}

/** The revision that made requests stand for themselves: no handshake, and results that say what they are. */
const stateless = '2026-07-28'
const resourceNotFound = -32002

export function isStateless(revision: string): boolean {
  return revision >= stateless
}

/** What a hidden tool answers: the same as one that does not exist. Until 2025-11-25 a resource had a code of its own for that. */
export function unknownName(id: Id, kind: 'tool' | 'resource' | 'prompt', name: string, revision: string): JsonObject {
  if (kind !== 'resource') return { jsonrpc: '2.0', id, error: { code: -32602, message: `Unknown ${kind}: ${name}` } }
  const code = isStateless(revision) ? -32602 : resourceNotFound
  return { jsonrpc: '2.0', id, error: { code, message: 'Resource not found', data: { uri: name } } }
}

/** A visible tool that is denied: a result, so that the model can read why. */
export function deniedResult(id: Id, error: JitError, revision: string): JsonObject {
  const text = `Denied by jit: ${error.message}. ${error.hint}`
  return {
    jsonrpc: '2.0',
    id,
    result: { ...(isStateless(revision) ? { resultType: 'complete' } : {}), content: [{ type: 'text', text }], isError: true },
  }
}

function isId(value: unknown): value is Id {
  return typeof value === 'string' ? value.length <= 1024 : typeof value === 'number' && Number.isSafeInteger(value)
}

/** The id of a message that is not parsed as a whole, so that its sender is not left waiting. */
function idNear(bytes: Buffer): Id | null {
  const head = bytes.toString('latin1', 0, 512)
  const match =
    /^\s*\{(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?(?:"method"\s*:\s*"[^"\\]{0,100}"\s*,\s*)?"id"\s*:\s*(\d{1,15}|"[^"\\]{0,200}")\s*,/.exec(head)
  return match?.[1] === undefined ? null : JSON.parse(match[1])
}

function refuse(code: ErrorCode, message: string, id: Id | null): Parsed {
  return { ok: false, id, error: new JitError(code, message) }
}
