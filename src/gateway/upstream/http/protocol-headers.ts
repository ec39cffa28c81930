import { nameKeyOf } from '../../protocol/methods.ts'
import type { OutgoingMessage } from './outgoing-message.ts'
import type { ToolHeaders } from '../../protocol/tool-headers.ts'

/** Names and values, in turn, of what stands beside a message of 2026-07-28 (basic/transports, SEP-2243). */
export function messageHeaders({ method, params, revision = '' }: OutgoingMessage, tools: ToolHeaders): string[] {
  const headers = ['MCP-Protocol-Version', fieldValue(revision)]
  if (method === '') return headers
  headers.push('Mcp-Method', fieldValue(method))
  const key = nameKeyOf(method)
  const name = key === undefined ? undefined : params[key]
  if (typeof name === 'string') headers.push('Mcp-Name', fieldValue(name))
  if (method === 'tools/call' && typeof name === 'string') {
    for (const [header, value] of tools.of(name, params['arguments'])) headers.push(`Mcp-Param-${header}`, fieldValue(value))
  }
  return headers
}

const [before, after] = ['=?base64?', '?=']

/** A value as a header carries it: as it is, or in base64 between sentinels where it would not arrive as it is. */
export function fieldValue(value: string): string {
  const plain = /^[\t\x20-\x7e]+$/.test(value) && value === value.trim() && !(value.startsWith(before) && value.endsWith(after))
  return plain ? value : `${before}${Buffer.from(value).toString('base64')}${after}`
}
