import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { jitJson } from '../support/command.ts'
import { serverEverything } from '../support/servers.ts'
import { startDaemon, type TestDaemon } from './daemon.ts'
import { exercise, openClient, type Reach, runTask } from './exercise.ts'
import { toolsOfEverything } from './offer.ts'

interface Running {
  readonly url: URL
  close(): Promise<void>
}

const tokenAnswer = z.object({ token: z.string(), address: z.string() })

/** server-everything as a remote server, over both transports of its own, and clients that come over HTTP. */
describe('server-everything over HTTP', () => {
  let daemon: TestDaemon
  const servers: Running[] = []
  let door: (server: string) => () => Transport
  let direct: Reach

  beforeAll(async () => {
    servers.push(await start('streamableHttp', '/mcp'), await start('sse', '/sse'))
    const [streamable, events] = servers
    if (streamable === undefined || events === undefined) throw new Error('they did not start')
    direct = () => over(new StreamableHTTPClientTransport(streamable.url))
    const allowed = [
      `  allow: ${JSON.stringify(toolsOfEverything)}`,
      '  prompts: [simple-prompt, args-prompt, completable-prompt, resource-prompt]',
      '  resources: ["demo://*"]',
      '  sampling: allow',
    ]
    const hosts = servers.map(({ url }) => `${JSON.stringify(url.host)}: ${JSON.stringify(url.host)}`).join(', ')
    daemon = await startDaemon(
      [
        'streamable:',
        `  url: ${streamable.url.href}`,
        ...allowed,
        'events:',
        `  url: ${events.url.href}`,
        '  transport: sse',
        ...allowed,
        'local:',
        `  run: ${JSON.stringify([process.execPath, serverEverything, 'stdio'])}`,
        ...allowed,
      ],
      [`network: { hosts: { ${hosts} } }`, 'http: { port: 0 }'],
    )
    const { token, address } = tokenAnswer.parse(await jitJson(daemon.home, ['token', 'add', 'everything']))
    const requestInit = { headers: { authorization: `Bearer ${token}` } }
    door = (server) => () =>
      server.endsWith('/sse')
        ? new SSEClientTransport(new URL(`${address}/mcp/${server}`), { requestInit })
        : over(new StreamableHTTPClientTransport(new URL(`${address}/mcp/${server}`), { requestInit }))
  })
  afterAll(async () => {
    await daemon.close()
    for (const server of servers) await server.close()
  })

  it.each<[string, () => Reach]>([
    ['a client on stdio and a server over Streamable HTTP', () => daemon.connect('streamable')],
    ['a client on stdio and a server over HTTP with SSE', () => daemon.connect('events')],
    ['a client over Streamable HTTP and a server on stdio', () => door('local')],
    ['a client and a server over Streamable HTTP', () => door('streamable')],
    ['a client over HTTP with SSE and a server on stdio', () => door('local/sse')],
  ])('%s hear the same as without jit, verb by verb', async (_, reach) => {
    const without = await exercise(direct)
    const through = await exercise(reach())
    expect(through).toEqual({ ...without, tools: without.tools.filter((name) => toolsOfEverything.includes(name)) })
  })

  it.each<[string, () => Reach]>([
    ['a server over Streamable HTTP', () => daemon.connect('streamable')],
    ['a client over Streamable HTTP', () => door('local')],
  ])('%s brings a call that becomes a task to its result', async (_, reach) => {
    const client = await openClient(reach(), [])
    try {
      expect(await runTask(client)).toMatchObject({ status: 'completed' })
    } finally {
      await client.close()
    }
  })
})

/** The one place where two typings of the same thing meet: an absent session id and one that is undefined. */
function over(transport: StreamableHTTPClientTransport): Transport {
  return transport as Transport
}

/** Starts it on a free port, and waits until it says that it listens. */
async function start(mode: 'streamableHttp' | 'sse', path: string): Promise<Running> {
  const port = await freePort()
  const child = spawn(process.execPath, [serverEverything, mode], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((settle) => child.once('close', () => settle()))
  await new Promise<void>((settle, fail) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes(String(port))) settle()
    })
    void ended.then(() => fail(new Error(`server-everything (${mode}) ended`)))
  })
  return {
    url: new URL(`http://127.0.0.1:${port}${path}`),
    close: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((settle, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => settle(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
