import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client as ModernClient } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspect } from '../support/inspector.ts'
import { serverEverything, serverFilesystem } from '../support/servers.ts'
import { fixtureProgram } from './fixture.ts'
import { type Conversation, described, exercise, openClient, runTask } from './exercise.ts'
import { startDaemon, type TestDaemon } from './daemon.ts'
import { v2ToolNames } from './fixtures/v2-server.ts'
import { toolsOfEverything } from './offer.ts'
import type { Program } from './pipe.ts'
import { suites } from './suites.ts'

const everything: Program = { command: process.execPath, args: [serverEverything, 'stdio'] }
/** Clients and servers that nobody here wrote, directly and through jit: what they say to each other is the same. */
describe('server-everything and the clients of both SDK lines', () => {
  let daemon: TestDaemon
  const folder = import.meta.dirname
  const modernSuite = suites.find(({ fixture }) => fixture === 'v2')
  if (modernSuite === undefined) throw new Error('no suite is served by the SDK v2')
  const modernServer = fixtureProgram(modernSuite, 'stdio')

  beforeAll(async () => {
    daemon = await startDaemon([
      'everything:',
      `  run: ${JSON.stringify([everything.command, ...everything.args])}`,
      `  allow: ${JSON.stringify(toolsOfEverything)}`,
      '  prompts: [simple-prompt, args-prompt, completable-prompt, resource-prompt]',
      '  resources: ["demo://*"]',
      '  sampling: allow',
      'files:',
      `  run: ${JSON.stringify([process.execPath, serverFilesystem])}`,
      '  allow: [list_allowed_directories, read_text_file]',
      'modern:',
      `  run: ${JSON.stringify([modernServer.command, ...modernServer.args])}`,
      `  allow: ${JSON.stringify(v2ToolNames)}`,
      '  resources: ["test://*"]',
    ])
  })
  afterAll(() => daemon.close())

  it('shows the v1 client the same through jit, verb by verb, save for the tools that are not allowed', async () => {
    const [direct, through] = await Promise.all([exercise(everything), exercise(daemon.connect('everything'))])
    const allowed: Conversation = { ...direct, tools: direct.tools.filter((name) => toolsOfEverything.includes(name)) }
    expect(direct.tools).toContain('get-env')
    expect(through).toEqual(allowed)
  })

  it('answers a call of a tool that is not allowed like one of a tool that is not there', async () => {
    const client = await openClient(daemon.connect('everything'), [])
    try {
      const hidden = await client.callTool({ name: 'get-env', arguments: {} }).catch(described)
      const unknown = await client.callTool({ name: 'get-end', arguments: {} }).catch(described)
      expect(hidden).toEqual({ code: -32_602, message: 'MCP error -32602: Unknown tool: get-env' })
      expect(unknown).toEqual({ code: -32_602, message: 'MCP error -32602: Unknown tool: get-end' })
    } finally {
      await client.close()
    }
  })

  it('gives server-filesystem the roots of the client, and their change', async () => {
    const roots = [{ uri: pathToFileURL(folder).href, name: 'tests' }]
    const client = await openClient(daemon.connect('files'), roots)
    try {
      await expect.poll(() => text(client.callTool({ name: 'list_allowed_directories', arguments: {} }))).toContain(folder)
      const file = join(folder, 'everything.test.ts')
      expect(await text(client.callTool({ name: 'read_text_file', arguments: { path: file, head: 1 } }))).toContain('node:path')
      roots[0] = { uri: pathToFileURL(join(folder, 'fixtures')).href, name: 'fixtures' }
      await client.sendRootsListChanged()
      await expect
        .poll(() => text(client.callTool({ name: 'list_allowed_directories', arguments: {} })))
        .toContain(join(folder, 'fixtures'))
      expect(await text(client.callTool({ name: 'read_text_file', arguments: { path: file } }))).toContain('Access denied')
    } finally {
      await client.close()
    }
  })

  it('lets the v2 client agree with server-everything on the same revision as it does directly', async () => {
    const input = { message: 'hello' }
    const meetings = await Promise.all([meet(everything, 'echo', input), meet(daemon.connect('everything'), 'echo', input)])
    expect(meetings[1]).toEqual(meetings[0])
  })

  it('lets the v2 client agree with a server of the SDK v2 on 2026-07-28', async () => {
    const name = 'test_simple_text'
    const meetings = await Promise.all([meet(modernServer, name, {}), meet(daemon.connect('modern'), name, {})])
    expect(meetings[0]).toMatchObject({ version: '2026-07-28' })
    expect(meetings[1]).toEqual(meetings[0])
  })

  it('brings a call that becomes a task to its result', async () => {
    const results = await Promise.all([everything, daemon.connect('everything')].map(withClient))
    expect(results[0]).toMatchObject({ status: 'completed' })
    expect(results[1]).toEqual(results[0])
  })

  it('serves the command line of the Inspector, which gets an error as one', async () => {
    const listed = await inspect(daemon.home, 'everything', ['--method', 'tools/list'])
    expect([...listed.stdout.matchAll(/"name": ?"([a-z-]+)"/g)].map((match) => match[1])).toContain('get-sum')
    expect(listed.stdout).not.toContain('get-env')
    const call = ['--method', 'tools/call', '--tool-name']
    const sum = await inspect(daemon.home, 'everything', [...call, 'get-sum', '--tool-arg', 'a=2', '--tool-arg', 'b=3'])
    expect(sum).toMatchObject({ code: 0, stdout: expect.stringContaining('The sum of 2 and 3 is 5') })
    const hidden = await inspect(daemon.home, 'everything', [...call, 'get-env'])
    expect(hidden.code).toBe(5)
  })
})

async function withClient(program: Program): Promise<unknown> {
  const client = await openClient(program, [])
  try {
    return await runTask(client)
  } finally {
    await client.close()
  }
}

/** What the v2 client settles on when it may choose, and what a tool answers it. */
async function meet({ command, args, env }: Program, name: string, input: Record<string, unknown>): Promise<unknown> {
  const client = new ModernClient({ name: 'modern', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new ModernStdio({ command, args: [...args], ...(env === undefined ? {} : { env: { ...env } }), stderr: 'ignore' }))
  try {
    const { content } = await client.callTool({ name, arguments: input })
    return { version: client.getNegotiatedProtocolVersion(), server: client.getServerVersion(), content }
  } finally {
    await client.close()
  }
}

async function text(answer: Promise<unknown>): Promise<string> {
  return JSON.stringify(await answer)
}
