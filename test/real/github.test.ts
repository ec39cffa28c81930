import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configureServers, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { lastCall } from '../demo/trail.ts'
import { callTool } from './call.ts'
import { findProgram } from './programs.ts'

const program = findProgram('github-mcp-server')
const scope = (permission: string): string => `{ repositories: ["\${args.owner}/\${args.repo}"], permissions: { ${permission} } }`
/** Egress, since GITHUB_HOST loses its port before 1.10.0, and an endpoint of jit is a port. */
const server = (name: string, { contents = 'contents: read', labels = 'issues: read' } = {}): string => `  ${name}:
    run: [${JSON.stringify(program)}, stdio, --toolsets, "issues,labels,repos"]
    provider: acme
    inject: { mode: egress, env: GITHUB_PERSONAL_ACCESS_TOKEN }
    where: { owner: acme, repo: [web, api] }
    allow: [issue_read, issue_write, get_file_contents, list_label]
    tools:
      issue_read:
        - when: args.method == "get"
          scope: ${scope('issues: read')}
          requests: ["GET /repos/\${args.owner}/\${args.repo}/issues/\${args.issue_number}"]
        - when: args.method == "get_labels"
          scope: ${scope('issues: read')}
          requests:
            - request: POST /graphql
              graphql:
                operation: query
                fields: [repository]
                variables: { owner: "\${args.owner}", repo: "\${args.repo}", issueNumber: "\${args.issue_number}" }
      issue_write:
        when: args.method == "create"
        scope: ${scope('issues: write')}
        requests:
          - request: POST /repos/\${args.owner}/\${args.repo}/issues
            body: { /title: "\${args.title}", /labels: "\${args.labels}" }
      list_label:
        scope: ${scope(labels)}
        requests:
          - request: POST /graphql
            graphql:
              operation: query
              fields: [repository]
              variables: { owner: "\${args.owner}", repo: "\${args.repo}", orderByField: ISSUE_COUNT, orderByDirection: DESC }
      get_file_contents:
        scope: ${scope(contents)}
        requests:
          - GET /repos/\${args.owner}/\${args.repo}/contents/\${args.path...}?ref
          - GET /repos/\${args.owner}/\${args.repo}
          - GET /repos/\${args.owner}/\${args.repo}/git/ref/heads/*
`
const at = { owner: 'acme', repo: 'web' }

describe.skipIf(program === undefined)('GitHub’s own MCP server', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(stage, server('github') + server('narrow', { contents: 'issues: read', labels: 'contents: read' }))
  })
  afterAll(async () => {
    await stage?.close()
  })

  it('creates an issue and reads it with tokens for that repository and that permission', async () => {
    const made = await callTool(stage.home, 'github', 'issue_write', { ...at, method: 'create', title: 'Found', labels: ['bug'] })
    expect(made).toMatchObject({ failed: false })
    expect((await lastCall(stage.home, 'github')).scope).toEqual({ repositories: ['acme/web'], permissions: { issues: 'write' } })
    const read = await callTool(stage.home, 'github', 'issue_read', { ...at, method: 'get', issue_number: 44 })
    expect(read.text).toContain('Found')
    expect((await lastCall(stage.home, 'github')).scope).toEqual({ repositories: ['acme/web'], permissions: { issues: 'read' } })
  })

  it.each([
    ['issue_read', { ...at, method: 'get_labels', issue_number: 44 }],
    ['list_label', at],
  ])('asks GraphQL for what %s is allowed', async (tool, args) => {
    const answer = await callTool(stage.home, 'github', tool, args)
    expect(answer).toMatchObject({ failed: false })
    expect(answer.text).toContain('"bug"')
    expect((await lastCall(stage.home, 'github')).requests).toMatchObject([{ method: 'POST', url: 'https://api.github.com/graphql' }])
  })

  it.each([
    ['another repository of the account', 'issue_read', { ...at, repo: 'secret', method: 'get', issue_number: 1 }],
    ['a repository by dots', 'issue_read', { ...at, repo: 'web/../secret', method: 'get', issue_number: 1 }],
    ['a method that no case covers', 'issue_read', { ...at, method: 'get_comments', issue_number: 44 }],
    ['another method of a tool that writes', 'issue_write', { ...at, method: 'update', issue_number: 44, state: 'closed' }],
    ['a tool that is not allowed', 'create_branch', { ...at, branch: 'x' }],
  ])('is refused %s, and GitHub hears nothing', async (_, tool, args) => {
    const before = stage.github.journal.filter(({ path }) => !path.startsWith('/installation/')).length
    expect(await callTool(stage.home, 'github', tool, args)).toMatchObject({ failed: true })
    expect(stage.github.journal.filter(({ path }) => !path.startsWith('/installation/')).length).toBe(before)
  })

  it('reads a file, and GitHub refuses it under a token without that permission', async () => {
    const args = { ...at, path: 'README.md' }
    expect((await callTool(stage.home, 'github', 'get_file_contents', args)).text).toContain('# acme/web')
    expect(await callTool(stage.home, 'narrow', 'get_file_contents', args)).toMatchObject({ failed: true })
    expect(stage.github.journal.some(({ status, path }) => status === 403 && path.startsWith('/repos/acme/web/'))).toBe(true)
  })

  it('hears from GraphQL, too, that a token is without that permission', async () => {
    const answer = await callTool(stage.home, 'narrow', 'list_label', at)
    expect(answer.failed).toBe(true)
    expect(answer.text).toContain('Resource not accessible by integration')
  })

  it('leaves a trail that verifies', async () => {
    await must(stage, ['audit', 'verify'])
  })
})
