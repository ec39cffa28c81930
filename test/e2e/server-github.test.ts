import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import type { JournalEntry, TokenView } from '../../providers/github-app/fake/state.ts'
import { root } from '../support/command.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

type Permissions = Readonly<Record<string, string>>

const row = z.looseObject({ scope: z.looseObject({ permissions: z.record(z.string(), z.string()) }) })
const preset = z
  .object({ tools: z.record(z.string(), z.union([z.array(row), row])) })
  .parse(parse(readFileSync(join(root, 'config/presets/server-github.yaml'), 'utf8')))
const toolAnswer = z.looseObject({ isError: z.boolean().optional(), content: z.array(z.looseObject({ text: z.string() })) })

const at = { owner: 'acme', repo: 'web' }
const issue = { ...at, issue_number: 42 }
const pull = { ...at, pull_number: 45 }
const workflow = '.github/workflows/build.yml'

/** Tool, arguments, what its token may do beside metadata, and what its answer shows. In an order in which all of them succeed. */
const calls: readonly (readonly [tool: string, args: Record<string, unknown>, permissions: Permissions, shows: RegExp])[] = [
  ['get_issue', issue, { issues: 'read' }, /Sign-in fails after midnight/],
  ['list_issues', { ...at, state: 'open', per_page: 10 }, { issues: 'read' }, /Typo in the footer/],
  ['create_issue', { ...at, title: 'Made by a tool', labels: ['bug'] }, { issues: 'write' }, /"number": 44/],
  ['update_issue', { ...issue, state: 'closed' }, { issues: 'write' }, /"state": "closed"/],
  ['add_issue_comment', { ...issue, body: 'Seen.' }, { issues: 'write' }, /Seen\./],
  ['get_file_contents', { ...at, path: 'README.md' }, { contents: 'read' }, /# acme\/web/],
  ['get_file_contents', { ...at, path: '' }, { contents: 'read' }, /"name": "README.md"/],
  ['list_commits', { ...at, perPage: 5 }, { contents: 'read' }, /Initial commit/],
  ['create_branch', { ...at, branch: 'feature/a' }, { contents: 'write' }, /refs\/heads\/feature\/a/],
  ['create_branch', { ...at, branch: 'side', from_branch: 'main' }, { contents: 'write' }, /refs\/heads\/side/],
  [
    'create_or_update_file',
    { ...at, path: 'docs/new.md', content: 'A ü.\n', message: 'Add', branch: 'feature/a' },
    { contents: 'write' },
    /docs\/new\.md/,
  ],
  [
    'create_or_update_file',
    { ...at, path: workflow, content: 'on: push\n', message: 'Build', branch: 'side' },
    { contents: 'write', workflows: 'write' },
    /build\.yml/,
  ],
  [
    'push_files',
    {
      ...at,
      branch: 'feature/a',
      message: 'Two',
      files: [
        { path: 'one.txt', content: '1' },
        { path: 'two.txt', content: '2' },
      ],
    },
    { contents: 'write' },
    /refs\/heads\/feature\/a/,
  ],
  [
    'push_files',
    { ...at, branch: 'side', message: 'Build', files: [{ path: workflow, content: 'on: pull_request\n' }] },
    { contents: 'write', workflows: 'write' },
    /refs\/heads\/side/,
  ],
  ['create_pull_request', { ...at, title: 'A', body: 'b', head: 'feature/a', base: 'main' }, { pull_requests: 'write' }, /"number": 45/],
  ['get_pull_request', pull, { pull_requests: 'read' }, /"title": "A"/],
  ['list_pull_requests', { ...at, state: 'open', base: 'main' }, { pull_requests: 'read' }, /"number": 45/],
  ['get_pull_request_files', pull, { pull_requests: 'read' }, /two\.txt/],
  ['get_pull_request_status', pull, { pull_requests: 'read', statuses: 'read' }, /"state": "success"/],
  [
    'create_pull_request_review',
    { ...pull, body: 'Fine.', event: 'APPROVE', comments: [{ path: 'one.txt', position: 1, body: 'Why?' }] },
    { pull_requests: 'write' },
    /APPROVED/,
  ],
  ['get_pull_request_comments', pull, { pull_requests: 'read' }, /Why\?/],
  ['get_pull_request_reviews', pull, { pull_requests: 'read' }, /Fine\./],
  ['update_pull_request_branch', pull, { pull_requests: 'write' }, /success/],
  ['merge_pull_request', { ...pull, merge_method: 'squash', commit_title: 'A (#45)' }, { contents: 'write' }, /"merged": true/],
  ['fork_repository', at, { administration: 'write', contents: 'read' }, /"fork": true/],
]
/** In the package, and in no row of the preset, which says why. */
const leftOut: readonly (readonly [string, Record<string, unknown>])[] = [
  ['search_repositories', { query: 'web' }],
  ['search_code', { q: 'repo:acme/web x' }],
  ['search_issues', { q: 'repo:acme/web x' }],
  ['search_users', { q: 'ada' }],
  ['create_repository', { name: 'new' }],
]

describe('every tool of npm’s server-github behind its preset', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage({ permissions: { administration: 'write', workflows: 'write' } })
    await login(stage)
    const allow = Object.keys(preset.tools).join(', ')
    await configureServers(
      stage,
      githubServer('full', { allow, lifetime: 'call' }) +
        [0, 1]
          .map((index) => `${githubServer(`less${index}`, { allow, lifetime: 'call' })}    tools: ${JSON.stringify(lowered(index))}\n`)
          .join(''),
    )
  })
  afterAll(async () => {
    await stage.close()
  })

  it('shows the tools of the preset, which with those left out are all 26 of the package', async () => {
    const { tools } = await (await stage.client('full')).listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(Object.keys(preset.tools).sort())
    expect(tools.length + leftOut.length).toBe(26)
    expect(new Set(calls.map(([tool]) => tool))).toEqual(new Set(Object.keys(preset.tools)))
  })

  it.each(calls)('%s %j succeeds with a token for %j of this one repository', async (tool, args, permissions, shows) => {
    const { text, isError, requests, tokens } = await call(stage, 'full', tool, args)
    expect(isError, text).toBe(false)
    expect(text).toMatch(shows)
    expect(requests.length).toBeGreaterThan(0)
    expect(tokens).toHaveLength(1)
    for (const token of tokens) {
      expect(token.permissions).toEqual({ metadata: 'read', ...permissions })
      expect(token.repositories).toEqual(['acme/web'])
    }
  })

  // After the calls that succeed, so that whatever a tool looks up first is there.
  it.each(calls.flatMap(([tool, args, permissions]) => Object.keys(permissions).map((lost, index) => [tool, lost, args, index] as const)))(
    '%s with less of %s gets GitHub’s 403',
    async (tool, lost, args, index) => {
      const { text, isError, requests } = await call(stage, `less${index}`, tool, args)
      expect(requests.at(-1), `${lost}: ${text}`).toMatchObject({ status: 403 })
      expect(isError, text).toBe(true)
      expect(text).toMatch(/not accessible by integration|Insufficient permissions/i)
    },
  )

  it.each(leftOut)('%s is denied, and nothing is minted', async (tool, args) => {
    // The tokens of the calls before may still be ended meanwhile.
    const asked = (): string[] =>
      stage.github.journal.flatMap(({ path, id }) => (path.startsWith('/installation/') ? [] : [`${path} ${id}`]))
    const before = asked()
    const client = await stage.client('full')
    await expect(client.callTool({ name: tool, arguments: args })).rejects.toThrow(/Unknown tool/)
    expect(asked()).toEqual(before)
  })

  it('leaves no token alive and a trail that verifies', async () => {
    // The last tokens are ended right after their answers were released.
    for (let round = 0; round < 20 && (await must(stage, ['leases', '--json'])).trim() !== '[]'; round += 1);
    expect(stage.github.tokens().length).toBeGreaterThan(calls.length)
    expect(stage.github.tokens().filter((token) => token.alive)).toEqual([])
    await must(stage, ['audit', 'verify'])
  })
})

interface Called {
  readonly text: string
  readonly isError: boolean
  /** What reached the stand-in for the tool, in order. */
  readonly requests: readonly JournalEntry[]
  /** The tokens that they came with. */
  readonly tokens: readonly TokenView[]
}

async function call(stage: Stage, server: string, tool: string, args: Record<string, unknown>): Promise<Called> {
  const client = await stage.client(server)
  const before = stage.github.journal.length
  const answered = await client.callTool({ name: tool, arguments: args }).then(
    (answer) => toolAnswer.parse(answer),
    (error: unknown) => ({ isError: true, content: [{ text: String(error) }] }),
  )
  const requests = stage.github.journal.slice(before).filter(({ path }) => path.startsWith('/repos/'))
  const used = new Set(requests.map(({ tokenHash }) => tokenHash))
  return {
    text: answered.content.map(({ text }) => text).join('\n'),
    isError: answered.isError === true,
    requests,
    tokens: stage.github.tokens().filter(({ hash }) => used.has(hash)),
  }
}

/** The preset's rows, each with one level less of its permission number `index`; rows that have no such one as they are. */
function lowered(index: number): Record<string, unknown> {
  const lower = (one: z.infer<typeof row>): unknown => {
    const entries = Object.entries(one.scope.permissions).flatMap(([name, level], position) =>
      position !== index ? [[name, level] as const] : level === 'write' ? [[name, 'read'] as const] : [],
    )
    const permissions = entries.length === 0 ? { metadata: 'read' } : Object.fromEntries(entries)
    return { ...one, scope: { ...one.scope, permissions } }
  }
  return Object.fromEntries(Object.entries(preset.tools).map(([tool, rows]) => [tool, Array.isArray(rows) ? rows.map(lower) : lower(rows)]))
}
