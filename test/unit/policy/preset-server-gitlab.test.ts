import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { staticKey } from '../../../providers/static/index.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import type { Decision } from '../../../src/core/types.ts'
import { matchBody, matchRequest } from '../../../src/egress/match.ts'
import { readTarget } from '../../../src/egress/target.ts'
import { compilePolicy } from '../../../src/policy/compile.ts'
import { leaseOf, presets, reasonOf, toolCall } from './support.ts'

/**
 * The preset against the npm package itself: its process runs, and every request that a call makes it send must be admitted by
 * the rules of that call. The bytes of the request line count, since it escapes slashes.
 */
const program = resolve(import.meta.dirname, '../../../node_modules/@modelcontextprotocol/server-gitlab/dist/index.js')
const origin = 'https://gitlab.example.com'
const allTools = Object.keys(presets('server-gitlab')?.tools ?? {})
const known = allTools.filter((tool) => tool !== 'search_repositories')
const config = `version: 1
providers:
  gitlab: { kind: static, origin: ${origin} }
servers:
  gitlab:
    run: [node, server.js]
    provider: gitlab
    preset: server-gitlab
    inject: { mode: endpoint, env: GITLAB_PERSONAL_ACCESS_TOKEN, url: { GITLAB_API_URL: "\${endpoint}/api/v4" } }
    where: { project_id: [acme/web, acme/deep/er, "42"] }
    allow: [${known.join(', ')}]
  search:
    run: [node, server.js]
    provider: gitlab
    preset: server-gitlab
    inject: { mode: endpoint, env: GITLAB_PERSONAL_ACCESS_TOKEN, url: { GITLAB_API_URL: "\${endpoint}/api/v4" } }
    allow: [search_repositories]
`
const policy = compilePolicy(
  loadConfig('jit.yaml', config, { kinds: new Map([['static', staticKey.config]]), presets }),
  new Map([
    [
      'gitlab',
      {
        kind: 'static',
        origin,
        longLived: true,
        parseScope: (scope: JsonObject) => staticKey.scope.parse(scope),
        checkField: staticKey.checkField,
      },
    ],
  ]),
  presets,
)

function decide(tool: string, args: JsonObject): Decision {
  return policy.decide(toolCall(tool === 'search_repositories' ? 'search' : 'gitlab', tool, args))
}

interface Sent {
  readonly method: string
  readonly target: string
  readonly authorization: string | undefined
  readonly body: Json | undefined
}

function admits(decision: Decision, { method, target, body }: Sent): boolean {
  const request = readTarget(method, origin, target)
  const { requests } = leaseOf(decision)
  return (
    request !== undefined &&
    requests.some(
      (rule) =>
        matchRequest(rule, request, new Map()) &&
        (rule.body === undefined || (body !== undefined && matchBody(rule, { kind: 'json', value: body }))),
    )
  )
}

describe('preset server-gitlab', () => {
  const sent: Sent[] = []
  const api = createServer((request, response) => {
    void readAll(request).then((text) => {
      const { method = '', url: target = '', headers } = request
      sent.push({ method, target, authorization: headers.authorization, body: text === '' ? undefined : JSON.parse(text) })
      response.writeHead(method === 'GET' ? 404 : 500).end('{}')
    })
  })
  let ask: (tool: string, args: JsonObject) => Promise<void>
  let stop: () => void
  beforeAll(async () => {
    await new Promise<void>((done) => api.listen(0, '127.0.0.1', done))
    const address = api.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const child = spawn(process.execPath, [program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { GITLAB_API_URL: `http://127.0.0.1:${port}/api/v4`, GITLAB_PERSONAL_ACCESS_TOKEN: 'placeholder' },
    })
    stop = () => child.kill()
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const exchange = async (message: JsonObject): Promise<void> => {
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, ...message })}\n`)
      await lines.next()
    }
    const client = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    await exchange({ method: 'initialize', params: client })
    ask = (name, args) => exchange({ method: 'tools/call', params: { name, arguments: args } })
  })
  beforeEach(() => {
    sent.length = 0
  })
  afterAll(() => {
    stop()
    api.close()
  })

  const web = { project_id: 'acme/web' }
  const file = { ...web, file_path: 'src/a b/ü.ts' }
  const change = { ...file, content: 'héllo *?../', commit_message: 'm', branch: 'feature/x' }

  it.each<[string, JsonObject, number]>([
    ['get_file_contents', file, 1],
    ['get_file_contents', { ...file, ref: 'feature/x' }, 1],
    ['get_file_contents', { ...file, ref: '' }, 1],
    ['get_file_contents', { project_id: '42', file_path: 'README.md' }, 1],
    ['get_file_contents', { project_id: 'acme/deep/er', file_path: '.gitlab-ci.yml', ref: 'main' }, 1],
    ['search_repositories', { search: 'a b' }, 1],
    ['search_repositories', { search: 'web', page: 2, per_page: 50 }, 1],
    ['create_or_update_file', change, 2],
    ['create_or_update_file', { ...change, previous_path: 'old.ts' }, 2],
    ['create_branch', { ...web, branch: 'feature/y' }, 1],
    ['create_branch', { ...web, branch: 'feature/y', ref: 'release/1' }, 1],
    ['create_issue', { ...web, title: 't' }, 1],
    ['create_issue', { ...web, title: 't', description: 'd', assignee_ids: [1], milestone_id: 2 }, 1],
    ['create_merge_request', { ...web, title: 't', source_branch: 'a', target_branch: 'main', draft: true }, 1],
  ])('%s %j: all %d requests that the server sends are admitted', async (tool, args, count) => {
    await ask(tool, args)
    expect(sent).toHaveLength(count)
    const decision = decide(tool, args)
    for (const one of sent) {
      expect(admits(decision, one), `${one.method} ${one.target}`).toBe(true)
      expect(one.authorization).toBe('Bearer placeholder')
    }
  })

  it('covers each tool that the preset has', () => {
    expect(allTools).toEqual([
      'get_file_contents',
      'search_repositories',
      'create_or_update_file',
      'create_branch',
      'create_issue',
      'create_merge_request',
    ])
  })

  it.each<[string, JsonObject, JsonObject]>([
    ['another project', file, { ...file, project_id: 'acme/secret' }],
    ['a project inside another', file, { ...file, project_id: 'acme/web/issues' }],
    ['another file', file, { ...file, file_path: 'src/b' }],
    ['another ref', { ...file, ref: 'main' }, { ...file, ref: 'secret' }],
    ['a slash in the file’s place', { ...file, file_path: 'a/b' }, { ...file, file_path: 'a%2Fb' }],
  ])('a server that asks for %s than the call did is refused', async (_, asked, instead) => {
    await ask('get_file_contents', instead)
    const decision = decide('get_file_contents', asked)
    expect(sent).toHaveLength(1)
    for (const one of sent) expect(admits(decision, one)).toBe(false)
  })

  it.each<[string, JsonObject]>([
    ['get_file_contents', { ...file, project_id: 'acme/secret' }],
    ['get_file_contents', { ...file, project_id: 'acme%2Fweb' }],
    ['get_file_contents', { ...file, project_id: 'acme/web/' }],
    ['get_file_contents', { ...file, file_path: '../../../user' }],
    ['get_file_contents', { ...file, file_path: 'a//b' }],
    ['get_file_contents', { ...file, file_path: './a' }],
    ['get_file_contents', { ...file, file_path: 'a%2fb' }],
    ['get_file_contents', { ...file, file_path: '' }],
    ['create_issue', { ...web, title: 't', labels: ['a'] }],
    ['push_files', { ...web, branch: 'a', files: [], commit_message: 'm' }],
    ['fork_repository', web],
  ])('denies %s %j', (tool, args) => {
    expect(reasonOf(decide(tool, args))).not.toBe('')
  })

  it('says in a rule’s text which slashes are escaped', () => {
    expect(leaseOf(decide('get_file_contents', { ...web, file_path: 'a/b' })).requests.map(({ text }) => text)).toEqual([
      'GET https://gitlab.example.com/api/v4/projects/acme%2Fweb/repository/files/a%2Fb ?ref=HEAD',
    ])
  })

  it('binds what a write sends to what was asked for', () => {
    const decision = decide('create_issue', { ...web, title: 't' })
    const request = { method: 'POST', target: '/api/v4/projects/acme%2Fweb/issues', authorization: undefined }
    expect(admits(decision, { ...request, body: { title: 't' } })).toBe(true)
    expect(admits(decision, { ...request, body: { title: 't', confidential: false } })).toBe(false)
    expect(admits(decision, { ...request, body: { title: 'other' } })).toBe(false)
  })
})

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
