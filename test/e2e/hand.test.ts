import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runJit } from '../support/command.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const approvals = z.array(z.looseObject({ id: z.string(), tool: z.string(), resource: z.string() }))
const create = { name: 'create_issue', arguments: { owner: 'acme', repo: 'web', title: 'From an agent' } }

/** What a person does with `jit`, command by command, against the real daemon. */
describe('by hand', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(stage, githubServer('github', { ask: 'create_issue' }))
  })
  afterAll(async () => {
    await stage.close()
  })

  it('jit explain shows scope and requests of a call and mints nothing', async () => {
    const before = stage.github.journal.length
    const shown = z
      .looseObject({ effect: z.string(), grant: z.looseObject({ scope: z.json(), requests: z.array(z.string()) }) })
      .parse(
        JSON.parse(
          await must(stage, ['explain', 'github', 'get_issue', '--args', '{"owner":"acme","repo":"web","issue_number":42}', '--json']),
        ),
      )
    expect(shown.effect).toBe('allow')
    expect(shown.grant.scope).toEqual({ repositories: ['acme/web'], permissions: { issues: 'read' } })
    expect(shown.grant.requests.join()).toContain('/repos/acme/web/issues/42')
    expect(stage.github.journal.length).toBe(before)
  })

  it.each([
    ['a traversal', { owner: 'acme', repo: '../evil/web', issue_number: 1 }],
    ['an encoded slash', { owner: 'acme', repo: 'web%2fissues', issue_number: 1 }],
    ['a wildcard', { owner: 'acme', repo: '*', issue_number: 1 }],
    ['a template', { owner: 'acme', repo: '${args.owner}', issue_number: 1 }],
    ['a control character', { owner: 'acme', repo: 'web\u0000', issue_number: 1 }],
    ['another account with a repository of the same name', { owner: 'evil', repo: 'web', issue_number: 1 }],
    ['no repository', { owner: 'acme', issue_number: 1 }],
    ['a megabyte', { owner: 'acme', repo: 'w'.repeat(1_000_000), issue_number: 1 }],
  ])('a call with %s is denied and GitHub is asked nothing', async (_, args) => {
    const client = await stage.client('github')
    const before = stage.github.journal.length
    const answer = await client.callTool({ name: 'get_issue', arguments: args }).then(
      (result) => ({ refused: result.isError === true }),
      () => ({ refused: true }),
    )
    expect(answer.refused).toBe(true)
    expect(stage.github.journal.length).toBe(before)
  })

  it('ask waits for a person: approve lets it through, deny does not', async () => {
    const client = await stage.client('github')
    const before = stage.github.journal.filter((entry) => entry.method === 'POST' && entry.path.endsWith('/issues')).length
    for (const [verb, through] of [
      ['approve', true],
      ['deny', false],
    ] as const) {
      const call = client.callTool(create)
      const [waiting] = await untilWaiting(stage)
      expect(waiting?.tool).toBe('create_issue')
      await must(stage, [verb, waiting?.id ?? ''])
      expect((await call).isError === true).toBe(!through)
    }
    expect(stage.github.journal.filter((entry) => entry.method === 'POST' && entry.path.endsWith('/issues')).length).toBe(before + 1)
  })

  it('jit lock denies everything and revokes everything, also after a restart, until jit unlock', async () => {
    const client = await stage.client('github')
    const question = { name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } }
    expect((await client.callTool(question)).isError).not.toBe(true)
    await must(stage, ['lock'])
    expect(stage.github.tokens().filter((token) => token.alive)).toEqual([])
    expect(await refused(client.callTool(question))).toBe(true)
    await must(stage, ['stop'])
    expect(await refused(client.callTool(question))).toBe(true)
    expect(await refused(client.callTool(question))).toBe(true)
    await must(stage, ['unlock'])
    expect((await client.callTool(question)).isError).not.toBe(true)
  })

  it('a config with a typo changes nothing and names line and nearest key', async () => {
    const file = join(stage.home, 'jit.yaml')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, before.replace('    allow:', '    alow:'))
    const checked = await runJit(stage.home, ['config', 'check'])
    expect(checked.code).toBe(78)
    expect(checked.stdout + checked.stderr).toMatch(/jit\.yaml:\d+.*alow[\s\S]*allow/)
    expect((await runJit(stage.home, ['config', 'apply', '--yes'])).code).toBe(78)
    const client = await stage.client('github')
    expect((await client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } })).isError).not.toBe(
      true,
    )
    writeFileSync(file, before)
  })

  it('a second daemon on the same home is refused', async () => {
    const second = await runJit(stage.home, ['daemon'])
    expect(second.code).toBe(75)
    expect(second.stderr).toContain('jit status')
  })

  it('jit seal refuses calls until jit unseal', async () => {
    const client = await stage.client('github')
    await must(stage, ['revoke', '--all'])
    await must(stage, ['seal'])
    expect(await refused(client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'api', issue_number: 7 } }))).toBe(true)
    await must(stage, ['unseal'])
    expect((await client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'api', issue_number: 7 } })).isError).not.toBe(
      true,
    )
  })

  it('jit revoke and jit audit say so when a name is one that nothing has', async () => {
    const revoked = await runJit(stage.home, ['revoke', '--server', 'githb'])
    expect(revoked).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no server "githb"') })
    expect(await runJit(stage.home, ['revoke', '--server', 'github'])).toMatchObject({ code: 0 })
    expect((await runJit(stage.home, ['audit', '--server', 'githb'])).stderr).toContain('no call and no refusal matches')
    expect((await runJit(stage.home, ['audit', 'verfy'])).stderr).toContain('There is verify, trace.')
  })

  it('jit audit --limit counts the lines that it prints', async () => {
    // `jit lock` leaves records that are no calls.
    await must(stage, ['lock'])
    await must(stage, ['unlock'])
    const lines = (await must(stage, ['audit'])).trim().split('\n')
    expect((await must(stage, ['audit', '--limit', '2'])).trim().split('\n')).toEqual(lines.slice(-2))
  })

  it('jit audit trace finds the call behind a hash from GitHub’s log', async () => {
    const hash = stage.github.tokens().findLast((token) => token.permissions['issues'] === 'read')?.hash ?? ''
    expect(await must(stage, ['audit', 'trace', hash])).toContain('get_issue')
    const unknown = await runJit(stage.home, ['audit', 'trace', `${hash.slice(1)}A`])
    expect(unknown).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/no token with the hash .* is in the trail\nhint: .*`hashed_token`/),
    })
  })

  it.each([`ghs_${'a'.repeat(36)}`, `ghs_1_${'ey.'.repeat(150)}`])('jit audit trace does not repeat a token: %s', async (token) => {
    const answer = await runJit(stage.home, ['audit', 'trace', token])
    expect(answer).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('looks like a token') })
    expect(answer.stderr).not.toContain(token.slice(0, 12))
  })
})

async function untilWaiting(stage: Stage): Promise<z.infer<typeof approvals>> {
  for (let round = 0; round < 50; round += 1) {
    const waiting = approvals.parse(JSON.parse(await must(stage, ['approvals', '--json'])))
    if (waiting.length > 0) return waiting
  }
  throw new Error('nothing waits for approval')
}

function refused(call: Promise<object>): Promise<boolean> {
  return call.then(
    (answer) => Reflect.get(answer, 'isError') === true,
    () => true,
  )
}
