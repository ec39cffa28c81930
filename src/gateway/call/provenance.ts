import { isJsonObject, type JsonObject } from '../../core/json.ts'

/** Of W3C Trace Context, and of identifiers; longer values are passed on and not recorded. */
const longest: Readonly<Record<string, number>> = { tracestate: 512, baggage: 1024 }
const longestId = 256
const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const printable = /^[ -~]+$/

/** What clients send in `_meta` to say which trace, conversation, turn or tool use a call is of. */
const texts = new Set([
  'tracestate',
  'baggage',
  // Claude Code
  'claudecode/toolUseId',
  // VS Code
  'vscode.conversationId',
  'vscode.requestId',
  // Codex
  'threadId',
  'callId',
  // ChatGPT
  'openai/session',
])
/** Codex: an object; these of its members. */
const codex = { key: 'x-codex-turn-metadata', members: ['session_id', 'thread_id', 'turn_id'] } as const

/**
 * Where a call came from, as its client says: display only, like all that a client says of itself. `more`: further keys of
 * `_meta`, from the config. Undefined when it says nothing.
 */
export function provenanceOf({ _meta: meta }: JsonObject, more: readonly string[]): JsonObject | undefined {
  if (!isJsonObject(meta)) return undefined
  const found: Record<string, string> = {}
  const parent = meta['traceparent']
  if (typeof parent === 'string' && traceparent.test(parent)) found['traceparent'] = parent
  for (const key in meta) {
    if (!texts.has(key) && !more.includes(key)) continue
    const text = shortText(meta[key], longest[key] ?? longestId)
    if (text !== undefined) found[key] = text
  }
  const turn = meta[codex.key]
  if (isJsonObject(turn))
    for (const member of codex.members) {
      const text = shortText(turn[member], longestId)
      if (text !== undefined) found[`codex.${member}`] = text
    }
  return Object.keys(found).length === 0 ? undefined : found
}

function shortText(value: unknown, limit: number): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value.length <= limit && printable.test(value) ? value : undefined
}
