import { join } from 'node:path'
import * as modernSdk from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromClient } from '../../../src/gateway/protocol/methods.ts'
import { root } from '../../support/command.ts'
import { type Door, openDoor } from './support.ts'

const everything = join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')
const modernServer = join(root, 'test/support/modern-server.mjs')
const name = { name: 'test', version: '1' }
/** The methods of 2026-07-28 come by another change; until then nothing newer can be agreed on. */
const hasModern = fromClient.requests.has('server/discover')

let door: Door
let token: string

beforeAll(async () => {
  door = await openDoor([
    `  everything: { run: [node, ${JSON.stringify(everything)}, stdio], allow: [echo, trigger-long-running-operation] }`,
    `  modern: { run: [node, ${JSON.stringify(modernServer)}], allow: [echo, count] }`,
  ])
  token = await door.token('sdk')
})
afterAll(() => door.close())

const requestInit = () => ({ headers: { Authorization: `Bearer ${token}` } })
const url = (path: string): URL => new URL(`${door.address}/mcp/${path}`)

describe('the SDK clients of both lines', () => {
  it.each([
    ['version 1 over Streamable HTTP', () => new StreamableHTTPClientTransport(url('everything'), { requestInit: requestInit() })],
    ['version 1 over HTTP with SSE', () => new SSEClientTransport(url('everything/sse'), { requestInit: requestInit() })],
  ])('%s: lists, calls, and hears of progress', async (_, transport) => {
    const client = new Client(name)
    await client.connect(transport())
    const { tools } = await client.listTools()
    expect(tools.map((tool) => tool.name).sort()).toEqual(['echo', 'trigger-long-running-operation'])
    expect(await client.callTool({ name: 'echo', arguments: { message: 'hi' } })).toMatchObject({ content: [{ text: 'Echo: hi' }] })
    let steps = 0
    await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.3, steps: 3 } }, undefined, {
      onprogress: () => (steps += 1),
    })
    // That SDK loses a notification which comes together with the answer.
    expect(steps).toBeGreaterThanOrEqual(2)
    await client.close()
  })

  it.each([
    ['its default', {}],
    ['whatever both ends know', { versionNegotiation: { mode: 'auto' as const } }],
  ])('version 2 with %s, to a server that knows the older revisions', async (_, options) => {
    const client = new modernSdk.Client(name, options)
    await client.connect(new modernSdk.StreamableHTTPClientTransport(url('everything'), { requestInit: requestInit() }))
    expect(await client.callTool({ name: 'echo', arguments: { message: 'hi' } })).toMatchObject({ content: [{ text: 'Echo: hi' }] })
    await client.close()
  })

  it.runIf(hasModern).each([
    ['auto', { versionNegotiation: { mode: 'auto' as const } }],
    ['pinned', { versionNegotiation: { mode: { pin: '2026-07-28' } } }],
  ])('version 2 agrees on 2026-07-28 with a server that knows it: %s', async (_, options) => {
    const client = new modernSdk.Client(name, options)
    await client.connect(new modernSdk.StreamableHTTPClientTransport(url('modern'), { requestInit: requestInit() }))
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28')
    expect((await client.listTools()).tools.map((tool) => tool.name).sort()).toEqual(['count', 'echo'])
    const answers = await Promise.all([1, 2, 3].map((step) => client.callTool({ name: 'echo', arguments: { text: `call ${step}` } })))
    expect(answers).toMatchObject([1, 2, 3].map((step) => ({ content: [{ text: `call ${step}` }] })))
    const steps: number[] = []
    await client.callTool({ name: 'count', arguments: {} }, { onprogress: ({ progress }) => void steps.push(progress) })
    expect(steps).toEqual([1, 2, 3])
    await client.close()
  })
})
