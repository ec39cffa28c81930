import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { root } from '../support/command.ts'
import { configureServers, login } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const fixture = join(root, 'test/support/fixture-server.mjs')
const tools = `    provider: acme
    where: { owner: acme, repo: [web, api] }
    allow: [fetch_issue, environment]
    tools:
      fetch_issue:
        scope: { repositories: ["\${args.owner}/\${args.repo}"], permissions: { issues: read } }
        requests: ["GET /repos/\${args.owner}/\${args.repo}/issues/\${args.issue_number}"]
      environment:
        where: none
        scope: { repositories: [acme/web], permissions: { issues: read } }
        requests: []
`
const question = { name: 'fetch_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } }

/** One server program, three ways to give it a credential, both formats of GitHub's tokens. */
describe.each(['classic', 'stateless'] as const)('with %s tokens', (tokenFormat) => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage({ tokenFormat })
    await login(stage)
    const run = `    run: [node, ${JSON.stringify(fixture)}]\n`
    await configureServers(
      stage,
      `  egress:\n${run}    inject: { mode: egress, env: API_TOKEN }\n${tools}` +
        `  endpoint:\n${run}    inject: { mode: endpoint, env: API_TOKEN, url: { API_URL: "\${endpoint}/api/v3" }, prefix: /api/v3 }\n${tools}` +
        `  env:\n${run}    inject: { mode: env, env: { API_TOKEN: "\${token}" } }\n${tools}`,
    )
  })
  afterAll(async () => {
    await stage.close()
  })

  it.each(['egress', 'endpoint'])('%s: the call works and the server never held the token', async (mode) => {
    const client = await stage.client(mode)
    const answer = reading.parse(JSON.parse(textOf(await client.callTool(question))))
    expect(answer.status).toBe(200)
    expect(answer.body).toContain('42')
    const dump = textOf(await client.callTool({ name: 'environment', arguments: {} }))
    expect(dump).toContain('API_TOKEN')
    expect(minted(stage, dump)).toEqual([])
  })

  it.each(['egress', 'endpoint'])('%s: another issue than the one asked for is refused on the wire', async (mode) => {
    const client = await stage.client(mode)
    const before = stage.github.journal.length
    const answer = await client.callTool({ name: 'fetch_issue', arguments: { owner: 'acme', repo: 'web', issue_number: '42/../43' } })
    expect(answer.isError).toBe(true)
    expect(stage.github.journal.length).toBe(before)
  })

  it('env: the server holds that scope’s token while its lane lives, and its answers do not show it', async () => {
    const client = await stage.client('env')
    const dump = textOf(await client.callTool({ name: 'environment', arguments: {} }))
    expect(dump).toContain('API_TOKEN')
    expect(minted(stage, dump)).toEqual([])
    expect(dump).toContain('[redacted')
  })
})

const reading = z.object({ status: z.number(), body: z.string() })

function textOf(answer: object): string {
  return z.array(z.looseObject({ text: z.string() })).parse(Reflect.get(answer, 'content'))[0]?.text ?? ''
}

function minted(stage: Stage, text: string): string[] {
  const hashes = new Set(stage.github.tokens().map((token) => token.hash))
  return (text.match(/ghs_[A-Za-z0-9._-]{36,}/g) ?? []).filter((candidate) =>
    hashes.has(createHash('sha256').update(candidate).digest('base64')),
  )
}
