import { isJsonObject } from '../../core/json.ts'
import { parseLine } from '../protocol/params.ts'
import { outermostKeys } from '../protocol/scan.ts'

/** Above this no error of a server is looked for: it would be a result. */
const errorCap = 64 * 1024

/** The code of an answer that is an error; undefined for a result. */
export function errorCode(line: string): number | undefined {
  if (line.length > errorCap || !line.includes('"error"')) return undefined
  const { error } = parseLine(line)
  const code = isJsonObject(error) ? error['code'] : undefined
  return typeof code === 'number' ? code : undefined
}

/** HTTP status of an answer of 2026-07-28 that comes alone: what belongs to the transport has one of its own, all else is content. */
export function statusOf(line: string): number {
  switch (errorCode(line)) {
    case -32700:
    case -32600:
    case -32020:
    case -32021:
    case -32022:
      return 400
    case -32601:
      return 404
    default:
      return 200
  }
}

/** The answer under another id; both as JSON. The line is JSON, and holds its id once. */
export function withId(line: string, from: string, to: string): string {
  const head = `{"jsonrpc":"2.0","id":${from},`
  if (line.startsWith(head)) return `{"jsonrpc":"2.0","id":${to},${line.slice(head.length)}`
  const tail = `,"jsonrpc":"2.0","id":${from}}`
  if (line.endsWith(tail)) return `${line.slice(0, -tail.length)},"jsonrpc":"2.0","id":${to}}`
  const place = placeOfId(line)
  return place === undefined ? line : `${line.slice(0, place.start)}${to}${line.slice(place.end)}`
}

/** Where the value of the outermost `id` stands; it is a text or a number. */
function placeOfId(line: string): { start: number; end: number } | undefined {
  for (const { key, end: behind } of outermostKeys(line)) {
    if (key !== 'id') continue
    const value = /^\s*:\s*("(?:[^"\\]|\\.)*"|[^\s,}]+)/.exec(line.slice(behind, behind + 3000))
    if (value?.[1] === undefined) return undefined
    const end = behind + value[0].length
    return { start: end - value[1].length, end }
  }
  return undefined
}
