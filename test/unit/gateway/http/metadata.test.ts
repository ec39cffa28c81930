import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../../src/core/json.ts'
import { checkMetadata, textOf } from '../../../../src/gateway/http/metadata.ts'
import { ToolHeaders } from '../../../../src/gateway/protocol/tool-headers.ts'

const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const usual = { 'mcp-protocol-version': '2026-07-28' }

function check(method: string, params: JsonObject, headers: Record<string, string>, schema: JsonObject = {}): number | undefined {
  const value = { jsonrpc: '2.0', id: 1, method, params }
  const tools = new ToolHeaders()
  tools.learn({ result: { tools: [{ name: 'query', inputSchema: schema }] } })
  const mirrored = tools.wantedBy('query') ?? []
  return checkMetadata({ kind: 'request', id: 1, method, params, value }, { ...usual, 'mcp-method': method, ...headers }, mirrored)?.code
}

describe('the headers of a request', () => {
  it.each<[string, string, JsonObject, Record<string, string>, number | undefined]>([
    ['without _meta', 'tools/list', {}, {}, -32602],
    ['without a version', 'tools/list', { _meta: { 'io.modelcontextprotocol/clientCapabilities': {} } }, {}, -32602],
    ['without capabilities', 'tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }, {}, -32602],
    ['that agree', 'tools/list', { _meta: meta }, {}, undefined],
    ['a name that agrees', 'prompts/get', { _meta: meta, name: 'p' }, { 'mcp-name': 'p' }, undefined],
    ['a URI that agrees', 'resources/read', { _meta: meta, uri: 'file:///a' }, { 'mcp-name': 'file:///a' }, undefined],
    ['a task that agrees', 'tasks/get', { _meta: meta, taskId: 't' }, { 'mcp-name': 't' }, undefined],
    ['another task', 'tasks/cancel', { _meta: meta, taskId: 't' }, { 'mcp-name': 'u' }, -32020],
    ['a name where none belongs', 'tools/list', { _meta: meta }, { 'mcp-name': 'x' }, undefined],
    ['a method of every object', 'constructor', { _meta: meta }, {}, undefined],
  ])('%s', (_, method, params, headers, code) => {
    expect(check(method, params, headers)).toBe(code)
  })

  const schema: JsonObject = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      count: { type: 'integer', 'x-mcp-header': 'Count' },
      deep: { type: 'object', properties: { flag: { type: 'boolean', 'x-mcp-header': 'Flag' } } },
      list: { type: 'array', items: { 'x-mcp-header': 'Item' } },
    },
  }
  it.each<[string, JsonObject, Record<string, string>, number | undefined]>([
    [
      'all as they should be',
      { region: 'eu', count: 42, deep: { flag: true } },
      { 'mcp-param-region': 'eu', 'mcp-param-count': '42.0', 'mcp-param-flag': 'true' },
      undefined,
    ],
    ['a value that has none', { region: 'eu' }, {}, -32020],
    ['another value', { region: 'eu' }, { 'mcp-param-region': 'us' }, -32020],
    ['another number', { count: 42 }, { 'mcp-param-count': '43' }, -32020],
    ['a number in another notation', { count: 42 }, { 'mcp-param-count': '0x2a' }, -32020],
    ['another truth', { deep: { flag: false } }, { 'mcp-param-flag': 'true' }, -32020],
    ['nothing for what is null', { region: null }, {}, undefined],
    ['a packed value', { region: 'é' }, { 'mcp-param-region': '=?base64?w6k=?=' }, undefined],
    ['a header that nobody declared', {}, { 'mcp-param-other': 'x' }, undefined],
    ['what a list holds, which cannot be declared', { list: ['x'] }, {}, undefined],
  ])('of arguments: %s', (_, args, headers, code) => {
    expect(check('tools/call', { _meta: meta, name: 'query', arguments: args }, { 'mcp-name': 'query', ...headers }, schema)).toBe(code)
  })
})

describe('a header’s value', () => {
  it.each([
    ['plain', 'plain'],
    ['=?base64?SGVsbG8sIOS4lueVjA==?=', 'Hello, 世界'],
    ['=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=', '=?base64?literal?='],
    ['=?BASE64?eA==?=', '=?BASE64?eA==?='],
    ['=?base64?eA=?=', undefined],
    ['=?base64?/w==?=', undefined],
    ['caf\u00e9', undefined],
  ])('%s', (value, text) => {
    expect(textOf(value)).toBe(text)
  })
})
