import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { RequestRule } from '../../../src/core/types.ts'
import { leaseOf, permitted, policyOf, presets, reasonOf, toolCall } from './support.ts'

/**
 * The preset against the npm package itself: each tool's own code runs with a recording `fetch`, and every request that it
 * sends must be admitted by the rules of that call, and by no more than it needs.
 */
const root = resolve(import.meta.dirname, '../../..')
const operations = `${root}/node_modules/@modelcontextprotocol/server-github/dist/operations`
const call = z.custom<(...args: readonly unknown[]) => Promise<unknown>>((value) => typeof value === 'function')
const moduleOf = z.record(z.string(), z.unknown())

interface Sent {
  readonly method: string
  readonly url: URL
  readonly body: Json | undefined
}

const allTools = Object.keys(presets('server-github')?.tools ?? {})
const policy = policyOf(`  github:
    run: [node, server.js]
    provider: acme
    preset: server-github
    where: { owner: acme, repo: [web, api] }
    allow: [${allTools.join(', ')}]
`)

const at = { owner: 'acme', repo: 'web' }
const issue = { ...at, issue_number: 42 }
const pull = { ...at, pull_number: 7 }

/** tool, arguments, the module and function that the server's index calls, with which parameters, and the number of requests. */
const calls: [tool: string, args: JsonObject, module: string, name: string, parameters: readonly unknown[], requests: number][] = [
  ['get_issue', issue, 'issues', 'getIssue', ['acme', 'web', 42], 1],
  ['list_issues', at, 'issues', 'listIssues', ['acme', 'web', {}], 1],
  [
    'list_issues',
    {
      ...at,
      state: 'all',
      labels: ['a b', '100%'],
      page: 2,
      per_page: 50,
      since: '2026-01-01T00:00:00+02:00',
      sort: 'created',
      direction: 'asc',
    },
    'issues',
    'listIssues',
    [
      'acme',
      'web',
      {
        state: 'all',
        labels: ['a b', '100%'],
        page: 2,
        per_page: 50,
        since: '2026-01-01T00:00:00+02:00',
        sort: 'created',
        direction: 'asc',
      },
    ],
    1,
  ],
  [
    'create_issue',
    { ...at, title: 'A 100% *new* issue?', labels: ['x'] },
    'issues',
    'createIssue',
    ['acme', 'web', { title: 'A 100% *new* issue?', labels: ['x'] }],
    1,
  ],
  [
    'create_issue',
    { ...at, title: 't', body: 'x'.repeat(60_000) },
    'issues',
    'createIssue',
    ['acme', 'web', { title: 't', body: 'x'.repeat(60_000) }],
    1,
  ],
  ['update_issue', { ...issue, state: 'closed' }, 'issues', 'updateIssue', ['acme', 'web', 42, { state: 'closed' }], 1],
  ['add_issue_comment', { ...issue, body: 'see ../x %2f' }, 'issues', 'addIssueComment', ['acme', 'web', 42, 'see ../x %2f'], 1],
  ['get_file_contents', { ...at, path: 'src/a b/ü.ts' }, 'files', 'getFileContents', ['acme', 'web', 'src/a b/ü.ts', undefined], 1],
  ['get_file_contents', { ...at, path: 'src', branch: 'feature/x' }, 'files', 'getFileContents', ['acme', 'web', 'src', 'feature/x'], 1],
  ['get_file_contents', { ...at, path: '' }, 'files', 'getFileContents', ['acme', 'web', '', undefined], 1],
  ['list_commits', { ...at, sha: 'main', page: 1, perPage: 10 }, 'commits', 'listCommits', ['acme', 'web', 1, 10, 'main'], 1],
  [
    'create_or_update_file',
    { ...at, path: 'a/b.ts', content: 'héllo', message: 'm', branch: 'main' },
    'files',
    'createOrUpdateFile',
    ['acme', 'web', 'a/b.ts', 'héllo', 'm', 'main', undefined],
    2,
  ],
  [
    'create_or_update_file',
    { ...at, path: '.github/workflows/ci.yml', content: 'x', message: 'm', branch: 'main', sha: 'abc' },
    'files',
    'createOrUpdateFile',
    ['acme', 'web', '.github/workflows/ci.yml', 'x', 'm', 'main', 'abc'],
    1,
  ],
  [
    'push_files',
    { ...at, branch: 'feature/x', message: 'm', files: [{ path: 'a', content: 'x'.repeat(10_000) }] },
    'files',
    'pushFiles',
    ['acme', 'web', 'feature/x', [{ path: 'a', content: 'x'.repeat(10_000) }], 'm'],
    4,
  ],
  [
    'push_files',
    {
      ...at,
      branch: 'main',
      message: 'm',
      files: [
        { path: 'a', content: 'x' },
        { path: '.github/workflows/a.yml', content: 'x' },
      ],
    },
    'files',
    'pushFiles',
    ['acme', 'web', 'main', [{ path: '.github/workflows/a.yml', content: 'x' }], 'm'],
    4,
  ],
  [
    'create_branch',
    { ...at, branch: 'feature/y', from_branch: 'release/1' },
    'branches',
    'createBranchFromRef',
    ['acme', 'web', 'feature/y', 'release/1'],
    2,
  ],
  ['create_branch', { ...at, branch: 'y' }, 'branches', 'createBranchFromRef', ['acme', 'web', 'y', undefined], 2],
  ['fork_repository', { ...at, organization: 'acme' }, 'repository', 'forkRepository', ['acme', 'web', 'acme'], 1],
  ['fork_repository', at, 'repository', 'forkRepository', ['acme', 'web', undefined], 1],
  ['get_pull_request', pull, 'pulls', 'getPullRequest', ['acme', 'web', 7], 1],
  [
    'list_pull_requests',
    { ...at, state: 'open', head: 'acme:feature/x', base: 'main', sort: 'created', direction: 'desc', per_page: 5, page: 1 },
    'pulls',
    'listPullRequests',
    ['acme', 'web', { state: 'open', head: 'acme:feature/x', base: 'main', sort: 'created', direction: 'desc', per_page: 5, page: 1 }],
    1,
  ],
  ['get_pull_request_files', pull, 'pulls', 'getPullRequestFiles', ['acme', 'web', 7], 1],
  ['get_pull_request_status', pull, 'pulls', 'getPullRequestStatus', ['acme', 'web', 7], 2],
  ['get_pull_request_comments', pull, 'pulls', 'getPullRequestComments', ['acme', 'web', 7], 1],
  ['get_pull_request_reviews', pull, 'pulls', 'getPullRequestReviews', ['acme', 'web', 7], 1],
  [
    'create_pull_request',
    { ...at, title: 't', head: 'x', base: 'main', draft: true },
    'pulls',
    'createPullRequest',
    [{ ...at, title: 't', head: 'x', base: 'main', draft: true }],
    1,
  ],
  [
    'create_pull_request_review',
    { ...pull, body: 'b', event: 'COMMENT', comments: [{ path: 'a', line: 1, body: 'c' }] },
    'pulls',
    'createPullRequestReview',
    ['acme', 'web', 7, { body: 'b', event: 'COMMENT', comments: [{ path: 'a', line: 1, body: 'c' }] }],
    1,
  ],
  [
    'merge_pull_request',
    { ...pull, merge_method: 'squash' },
    'pulls',
    'mergePullRequest',
    ['acme', 'web', 7, { merge_method: 'squash' }],
    1,
  ],
  ['merge_pull_request', pull, 'pulls', 'mergePullRequest', ['acme', 'web', 7, {}], 1],
  ['update_pull_request_branch', { ...pull, expected_head_sha: 'abc' }, 'pulls', 'updatePullRequestBranch', ['acme', 'web', 7, 'abc'], 1],
  ['update_pull_request_branch', pull, 'pulls', 'updatePullRequestBranch', ['acme', 'web', 7, undefined], 1],
]

describe('the preset for npm’s server-github', () => {
  const originalFetch = globalThis.fetch
  afterEach(() => {
    globalThis.fetch = originalFetch
  })

  it.each(calls)('admits what %s really sends: %j', async (tool, args, file, name, parameters, count) => {
    const sent: Sent[] = []
    globalThis.fetch = async (input, init) => {
      const body = typeof init?.body === 'string' ? z.json().parse(JSON.parse(init.body)) : undefined
      const request = { method: init?.method ?? 'GET', url: new URL(String(input)), body }
      sent.push(request)
      return Response.json(answerTo(request))
    }
    const run = call.parse(moduleOf.parse(await import(`${operations}/${file}.js`))[name])
    await run(...parameters).catch((error: unknown) => {
      if (sent.length < count) throw error
    })
    const { requests } = leaseOf(policy.decide(toolCall('github', tool, args)))
    expect(sent.length).toBe(count)
    for (const request of sent)
      expect(
        requests.some((rule) => admits(rule, request)),
        `${request.method} ${request.url.href} by ${requests.map((rule) => rule.text).join(', ')}`,
      ).toBe(true)
    expect(
      requests.some((rule) =>
        admits(rule, { method: 'GET', url: new URL('https://api.github.com/repos/acme/api/issues/42'), body: undefined }),
      ),
    ).toBe(false)
  })

  it('covers each tool of the package but those it leaves out on purpose, with the permissions of the table', () => {
    const covered = new Set(calls.map(([tool]) => tool))
    expect([...covered].sort()).toEqual(allTools.toSorted())
    const index = readFileSync(`${root}/node_modules/@modelcontextprotocol/server-github/dist/index.js`, 'utf8')
    const offered = [...index.matchAll(/^ {16}name: "([a-z_]+)"/gm)].map((match) => match[1] ?? '')
    expect(offered.length).toBe(26)
    expect(offered.filter((tool) => !covered.has(tool)).sort()).toEqual([
      'create_repository',
      'search_code',
      'search_issues',
      'search_repositories',
      'search_users',
    ])
  })

  it.each([
    ['get_issue', issue, { issues: 'read' }, 'acme/web#42'],
    ['create_issue', { ...at, title: 't' }, { issues: 'write' }, 'acme/web'],
    ['get_file_contents', { ...at, path: 'a/b' }, { contents: 'read' }, 'acme/web:a/b'],
    ['get_pull_request_status', pull, { pull_requests: 'read', statuses: 'read' }, 'acme/web#7'],
    ['merge_pull_request', pull, { contents: 'write' }, 'acme/web#7'],
    ['create_or_update_file', { ...at, path: 'a', content: '', message: 'm', branch: 'main' }, { contents: 'write' }, 'acme/web:a'],
    [
      'create_or_update_file',
      { ...at, path: '.github/workflows/a', content: '', message: 'm', branch: 'main' },
      { contents: 'write', workflows: 'write' },
      'acme/web:.github/workflows/a',
    ],
    [
      'push_files',
      { ...at, files: [{ path: '.github/workflows/a' }, { path: 'b' }], message: 'm', branch: 'main' },
      { contents: 'write', workflows: 'write' },
      'acme/web@main',
    ],
    ['fork_repository', at, { administration: 'write', contents: 'read' }, 'acme/web'],
  ])('%s %j asks for %j on that repository', (tool, args, permissions, resource) => {
    const decision = policy.decide(toolCall('github', tool, args))
    expect(leaseOf(decision).scope).toEqual({ repositories: ['acme/web'], permissions })
    expect(permitted(decision).resource).toBe(resource)
  })

  it.each([
    ['get_issue', { ...issue, issue_number: 'comments' }],
    ['get_issue', { ...issue, issue_number: -1 }],
    ['get_issue', { ...issue, repo: 'web/../secret' }],
    ['get_file_contents', { ...at, path: '../../../user' }],
    ['get_file_contents', { ...at, path: 'a//b' }],
    ['get_file_contents', { ...at, path: '/etc' }],
    ['get_file_contents', { ...at, path: 'a/./b' }],
    ['get_file_contents', { ...at, path: 'a?ref=x' }],
    ['create_or_update_file', { ...at, path: '.GitHub/Workflows/a', content: '', message: 'm', branch: 'main' }],
    ['push_files', { ...at, files: [{ path: '.github/Workflows/a' }], message: 'm', branch: 'main' }],
    ['push_files', { ...at, files: [{}], message: 'm', branch: 'main' }],
    ['create_branch', { ...at, branch: 'a', from_branch: '' }],
  ])('denies %s %j', (tool, args) => {
    expect(reasonOf(policy.decide(toolCall('github', tool, args)))).not.toBe('')
  })

  it('binds what a write sends to what was asked for', () => {
    const [rule] = leaseOf(policy.decide(toolCall('github', 'add_issue_comment', { ...issue, body: 'thanks' }))).requests
    const url = new URL('https://api.github.com/repos/acme/web/issues/42/comments')
    if (rule === undefined) throw new Error('no rule')
    expect(admits(rule, { method: 'POST', url, body: { body: 'thanks' } })).toBe(true)
    expect(admits(rule, { method: 'POST', url, body: { body: 'thanks, and bcc evil' } })).toBe(false)
    expect(admits(rule, { method: 'POST', url, body: { body: 'thanks', extra: 1 } })).toBe(false)
  })

  it('loads at once: no tool of it is wrong', () => {
    expect(parse(readFileSync(`${root}/config/presets/server-github.yaml`, 'utf8')).preset).toBe('server-github')
    expect(policy.servers.get('github')?.origins).toEqual(new Set(['https://api.github.com']))
  })
})

/** A matcher of its own, as simple as can be: the real one lives in egress. */
function admits(rule: RequestRule, request: Sent): boolean {
  const segments = request.url.pathname.slice(1).split('/').map(decodeURIComponent)
  if (rule.method !== request.method || rule.origin !== request.url.origin || rule.segments.length !== segments.length) return false
  const path = rule.segments.every((segment, index) => {
    const found = segments[index] ?? ''
    if (segment.kind === 'literal')
      return segment.ignoreCase ? found.toLowerCase() === segment.value.toLowerCase() : found === segment.value
    return segment.kind === 'seen' ? found === headSha : false
  })
  const given = [...request.url.searchParams].map(([name]) => name)
  const query =
    given.every((name) => rule.query.some((parameter) => parameter.name === name)) &&
    rule.query.every(({ name, value }) => value === undefined || (request.url.searchParams.get(name) ?? '') === value)
  const body = (rule.body ?? []).every(({ pointer, value }) => {
    const found = pointer === '' ? request.body : isJsonObject(request.body) ? request.body[pointer.slice(1)] : undefined
    return found !== undefined && canonicalJson(found) === canonicalJson(value)
  })
  return path && query && body
}

const headSha = 'c0ffee00'

/** Just enough of GitHub's shapes for the package's own schemas, so that tools of several requests go on to the next. */
function answerTo(request: Sent): unknown {
  const user = { login: 'a', id: 1, node_id: 'n', avatar_url: 'u', url: 'u', html_url: 'u', type: 'User' }
  const repo = {
    id: 1,
    node_id: 'n',
    name: 'web',
    full_name: 'acme/web',
    private: true,
    owner: user,
    html_url: 'u',
    description: null,
    fork: false,
    url: 'u',
    created_at: 't',
    updated_at: 't',
    pushed_at: 't',
    git_url: 'u',
    ssh_url: 'u',
    clone_url: 'u',
    default_branch: 'main',
  }
  const ref = { label: 'l', ref: 'main', sha: headSha, user, repo }
  const path = request.url.pathname
  if (/\/git\/refs/.test(path)) return { ref: 'refs/heads/main', node_id: 'n', url: 'u', object: { sha: 's', type: 'commit', url: 'u' } }
  if (path.endsWith('/git/trees')) return { sha: 's', url: 'u', tree: [], truncated: false }
  if (path.endsWith('/git/commits')) {
    const author = { name: 'a', email: 'a', date: 'd' }
    return { sha: 's', node_id: 'n', url: 'u', author, committer: author, message: 'm', tree: { sha: 's', url: 'u' }, parents: [] }
  }
  if (/\/pulls\/\d+$/.test(path)) {
    return {
      url: 'u',
      id: 1,
      node_id: 'n',
      html_url: 'u',
      diff_url: 'u',
      patch_url: 'u',
      issue_url: 'u',
      number: 7,
      state: 'open',
      locked: false,
      title: 't',
      user,
      body: null,
      created_at: 't',
      updated_at: 't',
      closed_at: null,
      merged_at: null,
      merge_commit_sha: null,
      assignee: null,
      assignees: [],
      requested_reviewers: [],
      labels: [],
      head: ref,
      base: ref,
    }
  }
  return []
}
