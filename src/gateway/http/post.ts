import { JitError } from '../../core/errors.ts'
import { isJsonObject, scalarJson } from '../../core/json.ts'
import { classify, type Message, type Parsed, parseMessage } from '../protocol/jsonrpc.ts'
import { type ScanLimits, scanJson } from '../protocol/scan.ts'

export const metaKeys = {
  version: 'io.modelcontextprotocol/protocolVersion',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  subscription: 'io.modelcontextprotocol/subscriptionId',
} as const

/** What a client posted. */
export interface Posted extends Post {
  /** It is not needed any more: what its bytes took may be taken by others. Called once or more. */
  done(): void
}

export interface Post {
  readonly bytes: Buffer
  /** Undefined for an array. */
  readonly parsed: Parsed | undefined
  /** Ids (as JSON) that are to be answered; `null` for a message that is none. */
  readonly ids: readonly string[]
}

/** Reads a body: one message, or an array of them. Throws `message.malformed` and the like for an array that is none of messages. */
export function readPost(bytes: Buffer, limits: ScanLimits & { readonly messageBytes: number }): Post {
  if (/^[\s\ufeff]*\[/.test(bytes.toString('latin1', 0, 64))) return { bytes, parsed: undefined, ids: idsOf(bytes, limits) }
  const parsed = parseMessage(bytes, limits)
  if (!parsed.ok) return { bytes, parsed, ids: [parsed.id === null ? 'null' : scalarJson(parsed.id)] }
  return { bytes, parsed, ids: parsed.message.kind === 'request' ? [scalarJson(parsed.message.id)] : [] }
}

/** The revision that the message says of itself, as those of 2026-07-28 do, in whatever form; undefined when it says nothing. */
export function revisionOf(message: Message): string | undefined {
  const meta = message.kind === 'response' ? undefined : message.params['_meta']
  const revision = isJsonObject(meta) ? meta[metaKeys.version] : undefined
  return revision === undefined || typeof revision === 'string' ? revision : JSON.stringify(revision)
}

/** Each is looked at as a message of its own later; here it counts who waits for an answer. */
function idsOf(bytes: Buffer, limits: ScanLimits): string[] {
  const text = bytes.toString('utf8')
  const problem = scanJson(text, limits)
  if (problem !== undefined) throw new JitError('message.malformed', `the batch holds ${problem}`)
  const messages = parseArray(text).map(classify)
  const ids: string[] = []
  for (const message of messages) {
    if (message === undefined) throw new JitError('message.malformed', 'the batch holds something that is not JSON-RPC 2.0')
    if (revisionOf(message) !== undefined) throw new JitError('message.malformed', 'messages of 2026-07-28 do not come in batches')
    if (message.kind === 'request') {
      if (message.method === 'initialize') throw new JitError('message.malformed', 'initialize does not come in a batch')
      ids.push(scalarJson(message.id))
    }
  }
  if (messages.length === 0 || new Set(ids).size < ids.length)
    throw new JitError('message.malformed', messages.length === 0 ? 'the batch is empty' : 'an id stands twice in the batch')
  return ids
}

function parseArray(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return value
  } catch {
    // Told below.
  }
  throw new JitError('message.malformed', 'the message is not JSON')
}
