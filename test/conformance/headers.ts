import type { IncomingHttpHeaders } from 'node:http'
import { isObject, type Message } from './pipe.ts'

/** Where the name of a request stands that its `Mcp-Name` repeats. */
const named: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

export interface HeaderProblem {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

/** The one revision that speaks HTTP without sessions. */
const supported = ['2026-07-28']

/**
 * Why the headers of a request of 2026-07-28 are not those of its body; undefined when they agree. What the body lacks is the
 * server's to refuse. Parameters that travel as headers are not compared: only who knows the tools can.
 */
export function headerProblem(headers: IncomingHttpHeaders, body: Message): HeaderProblem | undefined {
  const params = isObject(body['params']) ? body['params'] : {}
  const meta = isObject(params['_meta']) ? params['_meta'] : {}
  const version = meta['io.modelcontextprotocol/protocolVersion']
  if (version === undefined) return undefined
  if (headers['mcp-protocol-version'] !== version) return mismatch('MCP-Protocol-Version is not the version of the body')
  if (!supported.includes(String(version))) {
    return { code: -32_022, message: 'no such revision here', data: { supported, requested: version } }
  }
  if (typeof body['method'] !== 'string') return undefined
  if (headers['mcp-method'] !== body['method']) return mismatch('Mcp-Method is not the method of the body')
  const field = named[body['method']]
  if (field === undefined || params[field] === undefined) return undefined
  return decoded(headers['mcp-name']) === params[field] ? undefined : mismatch('Mcp-Name is not the name of the body')
}

function mismatch(message: string): HeaderProblem {
  return { code: -32_020, message }
}

/** A header value, taken out of the sentinel that carries what no header may. */
function decoded(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  const base64 = /^=\?base64\?(.*)\?=$/.exec(value)?.[1]
  return base64 === undefined ? value : Buffer.from(base64, 'base64').toString('utf8')
}
