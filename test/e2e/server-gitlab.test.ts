import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAuthority } from '../support/certificates.ts'
import { demoEnvironment, launcher, root, runJit } from '../support/command.ts'

/** Nobody may see it but GitLab. */
const key = 'glpat-canary0123456789abcdef'
const program = join(root, 'node_modules/@modelcontextprotocol/server-gitlab/dist/index.js')
const content = { file_name: 'main.ts', file_path: 'src/main.ts', size: 5, encoding: 'base64', content: 'aGVsbG8=', content_sha256: 'x' }
const more = { ref: 'HEAD', blob_id: 'x', commit_id: 'x', last_commit_id: 'x' }

/** npm's server-gitlab with a key that cannot be minted: sealed, put into its requests, and never in its hands. */
describe('server-gitlab with a static key', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-gitlab-'))
  const seen: { target: string; authorization: string | undefined }[] = []
  let client: Client | undefined
  let close: () => void = () => undefined
  const call = (asked: Parameters<Client['callTool']>[0]): ReturnType<Client['callTool']> =>
    client?.callTool(asked) ?? Promise.reject(new Error('not connected'))
  const must = async (args: readonly string[], input = ''): Promise<string> => {
    const { code, stdout, stderr } = await runJit(home, args, input)
    expect(code, stderr || stdout).toBe(0)
    return stdout
  }

  beforeAll(async () => {
    const authority = await createTestAuthority(['gitlab.example.com'])
    const gitlab = createServer({ key: authority.key, cert: authority.cert }, ({ url = '', headers }, response) => {
      seen.push({ target: url, authorization: headers.authorization })
      // As an upstream that repeats what it was sent: that may not come back either.
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ ...content, ...more, file_name: `${content.file_name} ${headers.authorization}` }))
    })
    await new Promise<void>((done) => gitlab.listen(0, '127.0.0.1', done))
    close = () => {
      gitlab.closeAllConnections()
      gitlab.close()
    }
    const address = gitlab.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    writeFileSync(join(home, 'gitlab-ca.pem'), authority.ca)
    const network = ['network:', `  hosts: { gitlab.example.com: "127.0.0.1:${port}" }`, '  ca: [gitlab-ca.pem]', '']
    writeFileSync(join(home, 'jit.yaml'), ['version: 1', ...network].join('\n'), { mode: 0o600 })
    const registered = await must(
      ['login', 'static', 'gitlab', '--origin', 'https://gitlab.example.com', '--placeholder-prefix', 'glpat-', '--key', '-'],
      `${key}\n`,
    )
    expect(registered).toContain('nothing proved that it is good')
    const chosen = ['--where', 'project_id=acme/web', '--allow', 'get_file_contents']
    await must(['add', 'gitlab', '--preset', 'server-gitlab', '--provider', 'gitlab', ...chosen, '--', process.execPath, program])
    const connected = new Client({ name: 'test', version: '1' })
    client = connected
    const args = [launcher, 'connect', 'gitlab']
    await connected.connect(new StdioClientTransport({ command: process.execPath, args, env: demoEnvironment(home), stderr: 'ignore' }))
  })
  afterAll(async () => {
    await client?.close()
    await runJit(home, ['stop'])
    close()
    rmSync(home, { recursive: true, force: true })
  })

  it('reads a file by a path with escaped slashes, with the key in the request and nowhere else', async () => {
    const answer = await call({ name: 'get_file_contents', arguments: { project_id: 'acme/web', file_path: 'src/main.ts' } })
    expect(JSON.stringify(answer)).toContain('hello')
    expect(seen).toEqual([
      { target: '/api/v4/projects/acme%2Fweb/repository/files/src%2Fmain.ts?ref=HEAD', authorization: `Bearer ${key}` },
    ])
    expect(JSON.stringify(answer)).not.toContain(key)
  })

  it('asks nobody for another project', async () => {
    const before = seen.length
    const denied = await call({ name: 'get_file_contents', arguments: { project_id: 'acme/secret', file_path: 'a' } }).catch(
      (error: unknown) => error,
    )
    expect(JSON.stringify(denied)).toMatch(/project_id|denied|acme\/secret/)
    expect(seen).toHaveLength(before)
  })

  it('revoke says that the key lives on, and the list of providers too', async () => {
    const receipts = await must(['revoke', '--all'])
    expect(receipts.replaceAll(/\s+/g, ' ')).toContain('none dead upstream, 1 of a key that stays valid there until it is rotated')
    expect(await must(['providers'])).toContain('here only: the key lives on there')
    expect(await must(['audit'])).not.toContain(key)
  })

  it('a config that would hand the key to the server is refused', async () => {
    const file = join(home, 'jit.yaml')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, `${text}  other:\n    run: [node]\n    provider: gitlab\n    inject: { mode: env, env: TOKEN }\n`, { mode: 0o600 })
    const { code, stderr, stdout } = await runJit(home, ['config', 'check'])
    writeFileSync(file, text, { mode: 0o600 })
    expect(code, stdout).not.toBe(0)
    expect(stderr + stdout).toContain('gives the server the secret itself')
  })

  it('the key stands in no file', () => {
    const files = readdirSync(home, { recursive: true, encoding: 'utf8' })
      .map((name) => join(home, name))
      .filter((name) => statSync(name).isFile())
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) expect(readFileSync(file).includes(key), file).toBe(false)
  })
})
