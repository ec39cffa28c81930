import { createServer, type Server } from 'node:https'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createTestAuthority } from '../support/certificates.ts'
import { root, runJit } from '../support/command.ts'
import { configureServers, must } from '../support/servers.ts'
import { callTool, connect } from './call.ts'

const program = join(root, 'node_modules/@modelcontextprotocol/server-gitlab/dist/index.js')
const key = 'glpat-a-key-that-nobody-may-see'
const file = {
  file_name: 'main.ts',
  file_path: 'src/main.ts',
  size: 14,
  encoding: 'base64',
  content: Buffer.from('console.log(1)').toString('base64'),
  content_sha256: 'x',
  ref: 'HEAD',
  blob_id: 'x',
  last_commit_id: 'x',
}
const person = { username: 'ada', id: 1, name: 'Ada', avatar_url: '', web_url: '' }
const issue = {
  id: 1,
  iid: 1,
  project_id: 1,
  title: 'Found',
  description: 'here',
  state: 'opened',
  author: person,
  assignees: [],
  labels: [],
  milestone: null,
  created_at: '',
  updated_at: '',
  closed_at: null,
  web_url: '',
}
const receipts = z.object({ receipts: z.array(z.looseObject({ outcome: z.string() })) })

interface Asked {
  readonly line: string
  readonly authorization: string | undefined
}

/** As much of GitLab as the calls below ask for, to whoever has the key. */
function gitlab(tls: { key: string; cert: string }, journal: Asked[]): Server {
  return createServer(tls, (request, response) => {
    const line = `${request.method} ${request.url}`
    journal.push({ line, authorization: request.headers.authorization })
    const found = /^GET .*\/repository\/files\//.test(line) ? file : line.startsWith('POST ') ? issue : undefined
    const status = request.headers.authorization !== `Bearer ${key}` ? 401 : found === undefined ? 404 : 200
    request.resume().once('end', () => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(found ?? {})))
  })
}

describe('npm’s server-gitlab with a key that stays sealed', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-real-'))
  const journal: Asked[] = []
  let upstream: Server

  beforeAll(async () => {
    const authority = await createTestAuthority(['gitlab.example.com'])
    upstream = gitlab(authority, journal)
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    const { port } = upstream.address() as AddressInfo
    writeFileSync(join(home, 'gitlab-ca.pem'), authority.ca)
    writeFileSync(join(home, 'gitlab-key'), key, { mode: 0o600 })
    const network = `network:\n  hosts: { gitlab.example.com: "127.0.0.1:${port}" }\n  ca: [gitlab-ca.pem]\n`
    writeFileSync(join(home, 'jit.yaml'), `version: 1\n${network}`, { mode: 0o600 })
    const login = ['--origin', 'https://gitlab.example.com', '--placeholder-prefix', 'glpat-', '--key', join(home, 'gitlab-key')]
    await must({ home }, ['login', 'static', 'gitlab', ...login])
    await configureServers(
      { home },
      `  gitlab:
    run: [node, ${JSON.stringify(program)}]
    provider: gitlab
    preset: server-gitlab
    where: { project_id: acme/web }
    allow: [get_file_contents, create_issue]
`,
    )
  })
  afterAll(async () => {
    await runJit(home, ['stop'])
    upstream.closeAllConnections()
    await new Promise((resolve) => upstream.close(resolve))
    rmSync(home, { recursive: true, force: true })
  })

  it('reads a file and creates an issue of the one project, and only jit ever held the key', async () => {
    const read = await callTool(home, 'gitlab', 'get_file_contents', { project_id: 'acme/web', file_path: 'src/main.ts' })
    expect(read.failed, read.text).toBe(false)
    expect(read.text).toContain('console.log(1)')
    const made = await callTool(home, 'gitlab', 'create_issue', { project_id: 'acme/web', title: 'Found', description: 'here' })
    expect(made.failed, made.text).toBe(false)
    expect(journal.map(({ line }) => line)).toEqual([
      'GET /api/v4/projects/acme%2Fweb/repository/files/src%2Fmain.ts?ref=HEAD',
      'POST /api/v4/projects/acme%2Fweb/issues',
    ])
    expect(new Set(journal.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${key}`]))
  })

  it.each([
    ['another project', 'get_file_contents', { project_id: 'acme/secret', file_path: 'a' }],
    ['a project by dots', 'get_file_contents', { project_id: 'acme/web/../secret', file_path: 'a' }],
    ['a file outside of the project', 'get_file_contents', { project_id: 'acme/web', file_path: '../../secret' }],
    ['a tool that is not allowed', 'create_branch', { project_id: 'acme/web', branch: 'x' }],
  ])('refuses %s, and GitLab hears nothing', async (_, tool, args) => {
    const before = journal.length
    expect(await callTool(home, 'gitlab', tool, args)).toMatchObject({ failed: true })
    expect(journal.length).toBe(before)
  })

  it('says of the key, when it is revoked, that it lives on upstream', async () => {
    const connection = await connect(home, 'gitlab')
    await connection.call('get_file_contents', { project_id: 'acme/web', file_path: 'src/main.ts' })
    const revoked = receipts.parse(JSON.parse(await must({ home }, ['revoke', '--server', 'gitlab', '--json']))).receipts
    expect(new Set(revoked.map(({ outcome }) => outcome))).toEqual(new Set(['kept']))
    await connection.close()
    expect(await must({ home }, ['audit', '--json'])).not.toContain(key)
    await must({ home }, ['audit', 'verify'])
  })
})
