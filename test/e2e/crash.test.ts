import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const statusShape = z.looseObject({
  pid: z.number(),
  leases: z.object({ live: z.number(), minting: z.number(), outstanding: z.number(), lost: z.number() }),
  servers: z.array(z.looseObject({ name: z.string(), lanes: z.array(z.looseObject({ pid: z.number() })) })),
})
const issue = (number: number, repo = 'web'): { name: string; arguments: Record<string, unknown> } => ({
  name: 'get_issue',
  arguments: { owner: 'acme', repo, issue_number: number },
})

describe.runIf(process.platform === 'linux')('kill -9 of the daemon', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(stage, githubServer('github'))
  })
  afterAll(async () => {
    await stage.close()
  })

  it('in the middle of a call: the client gets an error for it, and goes on without a reconnect of its own', async () => {
    const client = await stage.client('github')
    expect((await client.callTool(issue(42))).isError).not.toBe(true)
    const before = await status(stage)
    const children = before.servers.flatMap((server) => server.lanes.map((lane) => lane.pid))
    expect(children.length).toBeGreaterThan(0)

    const hung = stage.github.fault({ match: { method: 'GET', path: '/repos/acme/web/issues/43' }, delay: 30_000, times: 1 })
    const call = client.callTool(issue(43)).then(
      () => 'answered',
      (error: unknown) => String(error),
    )
    await hung.hit()
    process.kill(before.pid, 'SIGKILL')
    expect(await call).toContain('1203')

    const answer = await client.callTool(issue(42))
    expect(answer.isError).not.toBe(true)
    const after = await status(stage)
    expect(after.pid).not.toBe(before.pid)
    for (const pid of children) expect(alive(pid)).toBe(false)
  })

  it('the next start revokes what nobody can use any more: those who come back are new sessions', async () => {
    const client = await stage.client('github')
    expect((await client.callTool(issue(42))).isError).not.toBe(true)
    expect(stage.github.tokens().some((token) => token.alive)).toBe(true)
    const { pid } = await status(stage)
    process.kill(pid, 'SIGKILL')
    await must(stage, ['leases', '--json'])
    await vi.waitUntil(() => stage.github.tokens().every((token) => !token.alive), { timeout: 10_000 })
  })

  it('leaves no live token that the store does not know', async () => {
    const { pid } = await status(stage)
    process.kill(pid, 'SIGKILL')
    await must(stage, ['leases', '--json'])
    await must(stage, ['revoke', '--all', '--json'])
    expect(stage.github.tokens().length).toBeGreaterThan(0)
    expect(stage.github.tokens().filter((token) => token.alive)).toEqual([])
  })

  it('while the provider is minting: the mint is reported until the longest it can live', async () => {
    const client = await stage.client('github')
    const hung = stage.github.fault({ match: { method: 'POST', path: /access_tokens$/ }, delay: 30_000, times: 1 })
    const call = client.callTool(issue(1, 'api')).catch((error: unknown) => String(error))
    await hung.hit()
    const { pid } = await status(stage)
    process.kill(pid, 'SIGKILL')
    await call
    await must(stage, ['leases', '--json'])
    const { leases } = await status(stage)
    expect(leases.lost + leases.minting).toBe(1)
  })

  it('leaves a trail that verifies', async () => {
    await must(stage, ['audit', 'verify'])
  })
})

async function status(stage: Stage): Promise<z.infer<typeof statusShape>> {
  return statusShape.parse(JSON.parse(await must(stage, ['status', '--json'])))
}

function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
