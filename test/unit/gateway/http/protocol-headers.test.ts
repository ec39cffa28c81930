import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../../src/core/json.ts'
import { readOutgoing } from '../../../../src/gateway/upstream/http/outgoing-message.ts'
import { fieldValue, messageHeaders } from '../../../../src/gateway/upstream/http/protocol-headers.ts'
import { ToolHeaders } from '../../../../src/gateway/protocol/tool-headers.ts'

const revision = '2026-07-28'
const message = (method: string, params: JsonObject) =>
  readOutgoing(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: { ...params, _meta: { 'io.modelcontextprotocol/protocolVersion': revision } },
    }),
    { id: 1, lease: undefined },
  )

function headersOf(method: string, params: JsonObject, tools = new ToolHeaders()): Record<string, string> {
  const list = messageHeaders(message(method, params), tools)
  return Object.fromEntries(list.flatMap((name, index): [string, string][] => (index % 2 === 0 ? [[name, list[index + 1] ?? '']] : [])))
}

function learned(...tools: JsonObject[]): ToolHeaders {
  const headers = new ToolHeaders()
  headers.learn({ jsonrpc: '2.0', id: 1, result: { tools } })
  return headers
}

const text = { type: 'string', 'x-mcp-header': 'Region' }

describe('the headers of a message of 2026-07-28', () => {
  it.each<[method: string, params: JsonObject, name: string | undefined]>([
    ['tools/call', { name: 'say' }, 'say'],
    ['prompts/get', { name: 'greet' }, 'greet'],
    ['resources/read', { uri: 'memo://ä' }, `=?base64?${Buffer.from('memo://ä').toString('base64')}?=`],
    ['tasks/get', { taskId: 't1' }, 't1'],
    ['tools/list', { name: 'say' }, undefined],
    ['constructor', { name: 'say' }, undefined],
    ['tools/call', { name: 7 }, undefined],
  ])('of %s with %j name %s', (method, params, name) => {
    expect(headersOf(method, params)).toEqual({
      'MCP-Protocol-Version': revision,
      'Mcp-Method': method,
      ...(name === undefined ? {} : { 'Mcp-Name': name }),
    })
  })

  it('repeat the arguments that the tool’s schema wants repeated', () => {
    const tools = learned({
      name: 'say',
      inputSchema: {
        type: 'object',
        properties: {
          region: text,
          count: { type: 'integer', 'x-mcp-header': 'Count' },
          dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
          at: { type: 'object', properties: { zone: { type: 'string', 'x-mcp-header': 'Zone' } } },
          other: { type: 'string' },
        },
      },
    })
    expect(
      headersOf('tools/call', { name: 'say', arguments: { region: ' eu ', count: 3, dry: false, at: { zone: 'b' }, other: 'x' } }, tools),
    ).toMatchObject({
      'Mcp-Param-Region': `=?base64?${Buffer.from(' eu ').toString('base64')}?=`,
      'Mcp-Param-Count': '3',
      'Mcp-Param-Dry': 'false',
      'Mcp-Param-Zone': 'b',
    })
    expect(Object.keys(headersOf('tools/call', { name: 'say', arguments: { region: null, count: 2 ** 60, at: 'x' } }, tools))).toHaveLength(
      3,
    )
    expect(Object.keys(headersOf('tools/call', { name: 'other', arguments: { region: 'x' } }, tools))).toHaveLength(3)
  })

  it.each<[what: string, schema: JsonObject]>([
    ['names that are no header', { properties: { a: { type: 'string', 'x-mcp-header': 'a\r\nAuthorization: x' } } }],
    ['one name for two', { properties: { a: text, b: { ...text, 'x-mcp-header': 'region' } } }],
    ['annotations elsewhere', { 'x-mcp-header': 'Root', items: text, anyOf: [text], $defs: { a: text } }],
    ['no schema', { properties: [text] }],
  ])('come from no schema with %s', (_, inputSchema) => {
    const tools = learned({ name: 'say', inputSchema })
    expect(tools.of('say', { a: 'x', b: 'y' })).toEqual([])
  })

  it('come from the schema as last listed', () => {
    const tools = learned({ name: 'say', inputSchema: { properties: { a: text } } })
    expect(tools.of('say', { a: 'x' })).toEqual([['Region', 'x']])
    tools.learn({ result: { tools: [{ name: 'other' }, 'x', { name: 7 }] } })
    expect(tools.of('say', { a: 'x' })).toEqual([['Region', 'x']])
    tools.learn({ result: { tools: [{ name: 'say', inputSchema: {} }] } })
    expect(tools.of('say', { a: 'x' })).toEqual([])
  })

  it('come from the first entry of several with one name, as clients get it, and are none once forgotten', () => {
    const tools = learned({ name: 'say', inputSchema: { properties: { region: text } } }, { name: 'say' }, { name: 'x'.repeat(1025) })
    expect(tools.of('say', { region: 'eu' })).toEqual([['Region', 'eu']])
    expect([tools.wantedBy('other'), tools.wantedBy('x'.repeat(1025))]).toEqual([undefined, undefined])
    tools.learn({ result: { tools: [{ name: 'say' }] } })
    expect(tools.wantedBy('say')).toEqual([])
    tools.forget('say')
    expect([tools.wantedBy('say'), tools.of('say', { region: 'eu' })]).toEqual([undefined, []])
  })

  it('carry any text, and nothing that ends a header', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('', ' ', '=?base64?eA==?=')), (value) => {
        const field = fieldValue(value)
        expect(field).toMatch(/^[\t\x20-\x7e]+$/)
        expect(field.trim()).toBe(field)
        const coded = /^=\?base64\?(.*)\?=$/.exec(field)?.[1]
        expect(coded === undefined ? field : Buffer.from(coded, 'base64').toString()).toBe(Buffer.from(value).toString())
      }),
    )
  })
})

describe('a message on its way', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"result":{}}', { method: '', revision: undefined }],
    ['{"jsonrpc":"2.0","method":"ping"}', { method: 'ping', revision: undefined }],
    [
      '{"jsonrpc":"2.0","method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}}',
      { method: 'ping', revision: undefined },
    ],
    ['{"jsonrpc":"2.0","method":"ping","params":{"_meta":[]}}', { method: 'ping', revision: undefined }],
    ['not JSON', { method: '', revision: undefined }],
  ])('%s', (line, expected) => {
    expect(readOutgoing(Buffer.from(line), undefined)).toMatchObject(expected)
  })

  it('of 2026-07-28 is known for it however long it is', () => {
    const long = 'x'.repeat(100_000)
    expect(message('tools/call', { name: 'say', arguments: { long } })).toMatchObject({ revision, method: 'tools/call' })
    expect(
      readOutgoing(JSON.stringify({ id: 1, method: 'tools/call', params: { long } }), {
        id: 1,
        lease: undefined,
        onRequest: () => undefined,
      }).revision,
    ).toBeUndefined()
  })
})

describe('a server that lists tools for as long as it likes', () => {
  const wide = (name: string, width: number) => ({ name, inputSchema: { properties: { ['k'.repeat(width)]: text } } })
  const known = (headers: ToolHeaders, count: number) =>
    Array.from({ length: count }, (_, index) => headers.wantedBy(`t${index}`)).filter((headers) => headers !== undefined).length

  it('has no more of them remembered than a few megabytes, whatever it calls their arguments', () => {
    const headers = new ToolHeaders()
    for (let index = 0; index < 20; index += 1) headers.learn({ result: { tools: [wide(`t${index}`, 1_000_000)] } })
    expect(known(headers, 20)).toBe(4)
  })

  it('may change them, and takes no more room by that', () => {
    const headers = new ToolHeaders()
    for (let turn = 0; turn < 50; turn += 1) headers.learn({ result: { tools: [wide('t0', 1_000_000 + turn), wide('t1', 2_000_000)] } })
    expect(known(headers, 2)).toBe(2)
    headers.learn({ result: { tools: [wide('t0', 5_000_000)] } })
    expect(headers.wantedBy('t0')).toBeUndefined()
    headers.learn({ result: { tools: [wide('t2', 2_000_000)] } })
    expect(known(headers, 3)).toBe(2)
    headers.forget('t1')
    headers.forget('t1')
    headers.learn({ result: { tools: [wide('t0', 2_000_000), wide('t3', 2_000_000)] } })
    expect(known(headers, 4)).toBe(2)
  })
})
