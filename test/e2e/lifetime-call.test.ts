import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../support/command.ts'
import { configureServers, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const fixture = join(root, 'test/support/fixture-server.mjs')

describe('calls that end their lease with them', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(
      stage,
      `  fixture:
    run: [node, ${JSON.stringify(fixture)}]
    provider: acme
    inject: { mode: egress, env: API_TOKEN }
    lifetime: call
    allow: [fetch_issue]
    tools:
      fetch_issue:
        scope: { repositories: ["\${args.owner}/\${args.repo}"], permissions: { issues: read } }
        requests: ["GET /repos/\${args.owner}/\${args.repo}/issues/\${args.issue_number}"]
`,
    )
  })
  afterAll(async () => {
    await stage.close()
  })

  it('all succeed when eight equal ones come at once, each with a token of its own', async () => {
    const client = await stage.client('fixture')
    const question = { name: 'fetch_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } }
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.callTool(question)))
    for (const answer of answers) expect(JSON.stringify(answer)).toContain('\\"status\\":200')
    const used = stage.github.journal.filter((request) => request.path.endsWith('/issues/42')).map((request) => request.tokenHash)
    expect(new Set(used).size).toBe(8)
    await must(stage, ['audit', 'verify'])
  })
})
