import { JitError } from '../../core/errors.ts'
import { fold } from '../../core/fold.ts'
import { classify, type Message } from './jsonrpc.ts'
import { endOfString, outermostKeys } from './scan.ts'

const envelope = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error'])
const idFirst = { before: '{"jsonrpc":"2.0","id":', between: ',"result":' }
const resultFirst = { before: '{"result":', between: ',"jsonrpc":"2.0","id":' }
const plainId = /^(?:0|[1-9]\d{0,14}|"[\w:.-]{1,200}")$/

/**
 * An answer as nearly every server writes it: three keys, each once, in one of two orders. When what stands in the result's
 * place is JSON by itself, the line holds nothing else, so this costs no more than to parse it. Undefined for all other lines.
 */
export function readPlainAnswer(line: string): (Message & { readonly kind: 'response' }) | undefined {
  if (!line.endsWith('}')) return undefined
  let id = ''
  let result = ''
  if (line.startsWith(resultFirst.before)) {
    const between = line.lastIndexOf(resultFirst.between)
    id = line.slice(between + resultFirst.between.length, -1)
    result = line.slice(resultFirst.before.length, Math.max(between, 0))
  } else if (line.startsWith(idFirst.before)) {
    const between = line.indexOf(idFirst.between)
    id = line.slice(idFirst.before.length, Math.max(between, 0))
    result = line.slice(between + idFirst.between.length, -1)
  }
  if (!plainId.test(id)) return undefined
  try {
    const own = id.startsWith('"') ? id.slice(1, -1) : Number(id)
    return { kind: 'response', id: own, value: { jsonrpc: '2.0', id: own, result: JSON.parse(result) } }
  } catch {
    return undefined
  }
}

/** Any line; undefined when it is not JSON-RPC. */
export function readLine(line: string): Message | undefined {
  try {
    return classify(JSON.parse(line))
  } catch {
    return undefined
  }
}

/** The messages of a batch; what in it is none is left out. */
export function readBatch(line: string): Message[] {
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray(value) ? value.flatMap((element: unknown) => classify(element) ?? []) : []
  } catch {
    return []
  }
}

/** What was read, as one line; undefined when it is nested so deeply that it can be read and not written. */
export function writeAgain(value: unknown): Buffer | undefined {
  try {
    return Buffer.from(JSON.stringify(value))
  } catch {
    return undefined
  }
}

/** Levels of what is taken from a server: many readers need room on their stack for each of them. */
const deepest = 512

/** More objects and arrays within one another than a reader can be asked to take, whatever else the line is. */
export function excessiveDepth(line: string): JitError | undefined {
  // Each level takes two characters.
  if (line.length <= 2 * deepest) return undefined
  let depth = 0
  for (let index = 0; index < line.length; index += 1) {
    const code = line.charCodeAt(index)
    if (code === 0x22) index = endOfString(line, index)
    else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > deepest) return new JitError('message.too-large', `a message of the server has more than ${deepest} levels`, { hint })
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return undefined
}

const hint = 'No reader can be asked to take it: ask the server for less at once, or tell its author.'

/**
 * A key of the envelope that stands there twice, or in another spelling, in a line that `readLine` has read: its client gets
 * the line as it came, and might take it for another answer, or for the answer to another request.
 */
export function ambiguity(line: string): JitError | undefined {
  const seen = new Set<string>()
  for (const { key } of outermostKeys(line)) {
    const known = fold(key)
    if (!envelope.has(known)) continue
    if (key !== known || seen.has(known))
      return new JitError('message.ambiguous', `a message of the server holds the key "${known}" twice, or in another spelling`)
    seen.add(known)
  }
  return undefined
}
