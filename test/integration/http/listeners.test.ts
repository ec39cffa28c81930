import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as modernSdk from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { demoEnvironment, launcher, root } from '../../support/command.ts'
import { type Door, openDoor } from './support.ts'

const modernServer = join(root, 'test/support/modern-server.mjs')
const entry = (allow: string): string => `  modern: { run: [node, ${JSON.stringify(modernServer)}], allow: [${allow}] }`

let door: Door
let token: string

beforeAll(async () => {
  door = await openDoor([entry('echo')])
  token = await door.token('sdk')
})
afterAll(() => door.close())

async function apply(allow: string): Promise<void> {
  writeFileSync(join(door.daemon.home, 'jit.yaml'), `version: 1\nhttp: { port: ${door.port} }\nservers:\n${entry(allow)}\n`)
  const { status, text } = await door.daemon.ask('POST', '/v1/config/apply', { body: {} })
  expect({ status, text }).toMatchObject({ status: 200 })
}

describe('a client of 2026-07-28 that listens, over', () => {
  it.each([
    [
      'HTTP',
      () =>
        new modernSdk.StreamableHTTPClientTransport(new URL(`${door.address}/mcp/modern`), {
          requestInit: { headers: { Authorization: `Bearer ${token}` } },
        }),
    ],
    [
      'stdio',
      () =>
        new StdioClientTransport({
          command: process.execPath,
          args: [launcher, 'connect', 'modern'],
          env: demoEnvironment(door.daemon.home),
          stderr: 'ignore',
        }),
    ],
  ])('%s, hears of each change of policy on one subscription', async (_, transport) => {
    await apply('echo')
    const client = new modernSdk.Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
    let heard = 0
    let changed = (): void => undefined
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      heard += 1
      changed()
    })
    await client.connect(transport())
    const names = async (): Promise<string[]> => (await client.listTools({}, { cacheMode: 'refresh' })).tools.map(({ name }) => name).sort()
    const subscription = await client.listen({ toolsListChanged: true, promptsListChanged: true })
    expect(subscription.honoredFilter).toEqual({ toolsListChanged: true })
    let isClosed = false
    void subscription.closed.then(() => (isClosed = true))
    for (const [count, allow] of [
      [1, 'echo, count'],
      [2, 'count'],
    ] as const) {
      const news = new Promise<void>((resolve) => (changed = resolve))
      await apply(allow)
      await news
      expect([heard, isClosed]).toEqual([count, false])
      expect(await names()).toEqual(allow.split(', ').sort())
    }
    await subscription.close()
    await apply('echo')
    expect(await names()).toEqual(['echo'])
    expect(heard).toBe(2)
    await client.close()
  })
})
