import type { IncomingHttpHeaders } from 'node:http'
import { quote } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Message } from '../protocol/jsonrpc.ts'
import { nameKeyOf } from '../protocol/methods.ts'
import { argumentAt, type ParameterHeader } from '../protocol/tool-headers.ts'
import { metaKeys } from './post.ts'

/** JSON-RPC error of the protocol itself, answered with HTTP status 400. */
export interface Mismatch {
  readonly code: -32020 | -32602
  readonly message: string
}

/**
 * A request of 2026-07-28: its headers against its body (section "Server Validation" of Streamable HTTP). Policy reads the body
 * alone; this keeps whoever read the headers on the way from having seen another request.
 */
export function checkMetadata(
  { method, params }: Message & { readonly kind: 'request' },
  headers: IncomingHttpHeaders,
  mirrored: readonly ParameterHeader[],
): Mismatch | undefined {
  const meta = isJsonObject(params['_meta']) ? params['_meta'] : {}
  const missing = [metaKeys.version, metaKeys.capabilities].filter((key) => meta[key] === undefined)
  const version = headers['mcp-protocol-version']
  if (missing.length > 0) return { code: -32602, message: `Invalid params: _meta lacks ${missing.join(' and ')}` }
  if (version !== meta[metaKeys.version]) return disagree('MCP-Protocol-Version', version, meta[metaKeys.version])
  if (headers['mcp-method'] !== method) return disagree('Mcp-Method', headers['mcp-method'], method)
  return checkName(method, params, headers) ?? checkArguments(params['arguments'], headers, mirrored)
}

function checkName(method: string, params: JsonObject, headers: IncomingHttpHeaders): Mismatch | undefined {
  const field = nameKeyOf(method)
  const value = field === undefined ? undefined : params[field]
  if (typeof value !== 'string') return undefined
  const header = textOf(headers['mcp-name'])
  return header === value ? undefined : disagree('Mcp-Name', headers['mcp-name'], value)
}

function checkArguments(args: Json | undefined, headers: IncomingHttpHeaders, mirrored: readonly ParameterHeader[]): Mismatch | undefined {
  for (const { path, name } of mirrored) {
    const header = `mcp-param-${name.toLowerCase()}`
    const value = argumentAt(args, path)
    if (value === undefined || value === null || typeof value === 'object') continue
    const shown = headers[header]
    const text = textOf(shown)
    const same = typeof value === 'number' ? /^-?\d+(\.\d+)?$/.test(text ?? '') && Number(text) === value : text === String(value)
    if (!same) return disagree(header, shown, value)
  }
  return undefined
}

const sentinel = { before: '=?base64?', after: '?=' }
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A header's value as it was meant; undefined when it is none that a client may send. */
export function textOf(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string' || !/^[\t\x20-\x7e]*$/.test(value)) return undefined
  if (!value.startsWith(sentinel.before) || !value.endsWith(sentinel.after)) return value
  const inner = value.slice(sentinel.before.length, -sentinel.after.length)
  if (!base64.test(inner)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(inner, 'base64'))
  } catch {
    return undefined
  }
}

function disagree(header: string, shown: string | string[] | undefined, body: Json | undefined): Mismatch {
  return {
    code: -32020,
    message: `Header mismatch: ${header} is ${shown === undefined ? 'missing' : quote(shown)}, the body says ${quote(body)}`,
  }
}
