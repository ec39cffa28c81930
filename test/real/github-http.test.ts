import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRecords } from '../demo/trail.ts'
import { runJit } from '../support/command.ts'
import { configureServers, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { callTool } from './call.ts'
import { findProgram, type Running, startProgram } from './programs.ts'

const program = findProgram('github-mcp-server')
const scope = '{ repositories: ["${args.owner}/${args.repo}"], permissions: { issues: read } }'
const server = (port: number, startup: string): string => `    url: http://localhost:${port}/
    provider: acme
    inject: { mode: header }
    where: { owner: acme, repo: [web, api] }
    allow: [issue_read, list_issues]
    scope: ${scope}
${startup}`
const at = { owner: 'acme', repo: 'web' }

/** GitHub's own MCP server as a remote one: its http mode, which takes the credential of each request from its header. */
describe.skipIf(program === undefined)('GitHub’s own MCP server in its http mode', () => {
  let stage: Stage
  let proxy: Server
  let running: Running

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    proxy = await openTunnel(stage.github.port)
    const port = await freePort()
    running = startProgram(program ?? '', ['http', '--listen-host', '127.0.0.1', '--port', String(port), '--toolsets', 'issues'], {
      env: { HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`, SSL_CERT_FILE: join(stage.home, 'stand-in-ca.pem') },
    })
    await listens(port)
    const file = join(stage.home, 'jit.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('hosts: { ', `hosts: { "localhost:${port}": "127.0.0.1:${port}", `))
    const startup = '    startup: { scope: { repositories: [acme/web], permissions: { metadata: read } } }\n'
    await configureServers(stage, `  github:\n${server(port, startup)}  bare:\n${server(port, '')}`)
  })
  afterAll(async () => {
    await running?.stop()
    proxy?.close()
    await stage?.close()
  })

  it('reads an issue with the token of that call, for that repository', async () => {
    const read = await callTool(stage.home, 'github', 'issue_read', { ...at, method: 'get', issue_number: 42 })
    expect(read, running.output()).toMatchObject({ failed: false })
    expect(read.text).toContain('"number":42')
    const last = (await readRecords(stage.home)).findLast(({ type, tool }) => type === 'call.close' && tool === 'issue_read')
    expect(last).toMatchObject({ scope: { repositories: ['acme/web'], permissions: { issues: 'read' } } })
    expect(last?.requests).toMatchObject([{ method: 'POST', status: 200, url: expect.stringMatching(/^http:\/\/localhost:\d+\/$/) }])
    const asked = stage.github.journal.filter(({ path }) => path.startsWith('/repos/'))
    expect(asked.map(({ path, status }) => [path, status])).toEqual([['/repos/acme/web/issues/42', 200]])
  })

  it('is asked nothing for another repository', async () => {
    const before = stage.github.journal.length
    expect(
      await callTool(stage.home, 'github', 'issue_read', { owner: 'evil', repo: 'web', method: 'get', issue_number: 1 }),
    ).toMatchObject({ failed: true })
    expect(stage.github.journal.slice(before).filter(({ path }) => path.startsWith('/repos/'))).toEqual([])
  })

  it('wants a credential for its handshake: without `startup` that is said', async () => {
    const { stderr, stdout } = await runJit(stage.home, ['connect', 'bare'], handshake)
    expect(stdout + stderr).toMatch(/server bare answered 401 to a request without a credential/)
    expect(stdout).toContain('startup')
  })

  it('leaves a trail that verifies', async () => {
    await must(stage, ['audit', 'verify'])
  })
})

const handshake = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
})}\n`

/** A proxy that connects to the stand-in, whatever it is asked for: the server has no setting for a port of its upstream. */
async function openTunnel(port: number): Promise<Server> {
  const made = createServer()
  made.on('connect', (_, socket) => {
    const upstream = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const)
      one.on('error', () => other.destroy()).pipe(other)
  })
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return made
}

async function freePort(): Promise<number> {
  const held = createTcpServer()
  await new Promise<void>((resolve) => held.listen(0, '127.0.0.1', resolve))
  const port = portOf(held)
  await new Promise((resolve) => held.close(resolve))
  return port
}

function portOf(listening: Pick<Server, 'address'>): number {
  const address = listening.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function listens(port: number): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) {
    const found = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false)).once('connect', () => socket.destroy())
    })
    if (found) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it does not listen')
}
