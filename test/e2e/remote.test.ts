import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { remoteFixture } from '../integration/gateway/remote.ts'
import { openAgent } from '../support/agent.ts'
import { runJit } from '../support/command.ts'

/** Nobody may see it but the remote server. */
const key = 'canary-0123456789abcdef'

/** A remote server behind the real daemon, with a key that cannot be minted, from `jit add` to the trail. */
describe('a remote server, by hand', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-remote-'))
  const seen: { method: string; headers: IncomingMessage['headers'] }[] = []
  const fixture = remoteFixture()
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? '', headers: request.headers })
    if (refuses) response.writeHead(401, { 'www-authenticate': 'Bearer resource_metadata="https://evil.test"' }).end()
    else fixture.listener(request, response)
  })
  let port = 0
  let refuses = false
  let client: Client | undefined
  const must = async (args: readonly string[], input = ''): Promise<string> => {
    const { code, stdout, stderr } = await runJit(home, args, input)
    expect(code, stderr || stdout).toBe(0)
    return stdout
  }
  const add = (...more: readonly string[]) => [
    'add',
    'tracker',
    '--url',
    `http://tracker.test:${port}/mcp`,
    '--provider',
    'tracker',
    ...more,
  ]

  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    port = typeof address === 'object' && address !== null ? address.port : 0
    const network = `network: { hosts: { "tracker.test:${port}": "127.0.0.1:${port}" } }\n`
    writeFileSync(join(home, 'jit.yaml'), `version: 1\n${network}`, { mode: 0o600 })
    await must(['login', 'static', 'tracker', '--origin', `https://tracker.test`, '--key', '-'], `${key}\n`)
    await must(add('--header', 'X-Api-Key: ${token}', '--scope', '{"about":"the tracker"}', '--allow', 'say'))
    client = await openAgent(home, 'tracker')
  })
  afterAll(async () => {
    await client?.close()
    await runJit(home, ['stop'])
    server.closeAllConnections()
    server.close()
    rmSync(home, { recursive: true, force: true })
  })

  it('is called with the key in its header, which stands nowhere else', async () => {
    expect((await client?.listTools())?.tools.map(({ name }) => name)).toEqual(['say'])
    expect(await client?.callTool({ name: 'say', arguments: { text: 'hello' } })).toMatchObject({ content: [{ text: 'hello' }] })
    expect(new Set(seen.map(({ headers }) => headers['x-api-key']))).toEqual(new Set([key]))
    expect(seen.every(({ headers }) => headers.authorization === undefined)).toBe(true)
    for (const name of readdirSync(home, { recursive: true, encoding: 'utf8' })) {
      const file = join(home, name)
      if (statSync(file).isFile()) expect(readFileSync(file).includes(key), name).toBe(false)
    }
  })

  it('is shown as what it is', async () => {
    expect(await must(['servers'])).toContain(`http://tracker.test:${port}/mcp`)
    expect(await must(['status'])).toMatch(/tracker +remote/)
    expect(await must(['explain', 'tracker', 'say'])).toContain(
      `the call itself, to http://tracker.test:${port}, with the credential in X-Api-Key`,
    )
    expect(await must(['doctor'])).toContain(`remote server tracker`)
    expect(await must(['audit', '--tool', 'say', '--json'])).toContain(`"url":"http://tracker.test:${port}/mcp"`)
  })

  it.each([
    ['cannot be updated', ['update', 'tracker'], /there is nothing to install and to pin/],
    [
      'is not added with a scope that its provider does not know',
      ['add', 'x', '--url', 'https://x.test/mcp', '--provider', 'tracker', '--scope', '{}', '--allow', 'say'],
      /scope/,
    ],
    [
      'is not added in clear text beyond loopback',
      ['add', 'x', '--url', 'http://x.test/mcp', '--allow', 'say'],
      /clear text goes only to loopback/,
    ],
    [
      'is not added with tools whose scope nobody said',
      ['add', 'x', '--url', 'https://x.test/mcp', '--provider', 'tracker', '--allow', 'say'],
      /a `scope` of the server is that of all tools/,
    ],
  ])('%s', async (_, args, message) => {
    const { code, stderr } = await runJit(home, args)
    expect(code).not.toBe(0)
    expect(stderr).toMatch(message)
  })

  it('that refuses the key says so, and what to do', async () => {
    refuses = true
    const refused = await client?.callTool({ name: 'say', arguments: { text: 'hello' } }).catch((error: unknown) => String(error))
    expect(refused).toMatch(
      /server tracker answered 401: the key of provider tracker is not taken\. Register it anew \(`jit login static tracker --replace`\)/,
    )
    expect(refused).not.toContain('evil')
    expect(await must(['status'])).toMatch(/tracker: server tracker answered 401: the key/)
  })
})
