import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { TokenView } from '../../providers/github-app/fake/state.ts'
import { root } from '../support/command.ts'
import { descendantsOf, isRunning, type KnownProcess } from '../support/processes.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const kills = 25
const workers = 4
/** JIT_TEST_SEED=… repeats a run: the same kill points, as far as two processes can be made to repeat anything. */
const seed = Number(process.env['JIT_TEST_SEED'] ?? Date.now() % 2 ** 31)
/** Milliseconds within which a client must hear of a call that was in flight. */
const patience = 20_000

const statusShape = z.looseObject({ pid: z.number() })
const leasesShape = z.array(
  z.looseObject({
    id: z.string(),
    state: z.string(),
    startedAt: z.number(),
    validUntil: z.number(),
    scope: z.object({ repositories: z.array(z.string()), permissions: z.record(z.string(), z.string()) }),
  }),
)
type Outcome = 'result' | 'error' | 'none'
type ListedLease = z.infer<typeof leasesShape>[number]

/** Where a run is killed: while the stand-in handles such a request, or at any time. */
const points = [
  { name: 'a mint', match: { method: 'POST', path: /access_tokens$/ } },
  { name: 'the end of a token', match: { method: 'DELETE', path: '/installation/token' } },
  { name: 'the proof that a token is dead', match: { method: 'GET', path: '/installation/repositories' } },
  { name: 'a tool’s read', match: { method: 'GET', path: /^\/repos\// } },
  { name: 'a tool’s write', match: { method: 'POST', path: /^\/repos\// } },
  { name: 'any time', match: undefined },
] as const

describe.runIf(process.platform === 'linux')('kill -9 of the daemon at any moment of a running mix of calls', () => {
  const random = seededRandom(seed)
  const killed: KnownProcess[] = []
  const seen = { result: 0, error: 0, lost: 0, left: 0 }
  let stage: Stage

  beforeAll(async () => {
    console.log(`kill -9 at ${kills} random points, JIT_TEST_SEED=${seed}`)
    stage = await openStage()
    await login(stage)
    const allow = 'get_issue, list_issues, create_issue'
    const stubborn = `  stubborn:\n    run: [node, ${JSON.stringify(join(root, 'test/support/fixture-server.mjs'))}, --stay]\n    allow: [big]\n`
    await configureServers(stage, githubServer('shared', { allow }) + githubServer('once', { allow, lifetime: 'call' }) + stubborn)
    for (const server of ['shared', 'once', 'stubborn']) await stage.client(server)
  })
  afterAll(async () => {
    await stage.close()
  })

  it.each(Array.from({ length: kills }, (_, index) => index + 1))('kill %i', async (round) => {
    const point = random.pick(points)
    const delay = random.below(point.match === undefined ? 400 : 12)
    const where = `JIT_TEST_SEED=${seed}, kill ${round}: ${point.name}, after ${delay} ms`
    const { pid } = await status(stage)
    const traffic = startTraffic(stage, random)
    // Sometimes right at the start, sometimes when lanes and leases are warm.
    await traffic.until(random.below(20))
    const aimed = point.match === undefined ? undefined : stage.github.fault({ match: point.match, delay: 6, times: 1 })
    // A point that this mix does not come by in time is taken as it comes.
    await Promise.race([aimed?.hit(), pause(aimed === undefined ? 0 : 1500)])
    await pause(delay)
    killed.push(...killFrozen(pid))
    const unanswered = await traffic.stop()
    aimed?.remove()

    for (const outcome of ['result', 'error'] as const) seen[outcome] += traffic.seen[outcome]
    expect(unanswered, `${where}: calls without an answer`).toEqual([])
    for (const server of ['shared', 'once'])
      expect(await call(stage, server, 'get_issue', { repo: 'web', issue_number: 42 }), `${where}: the next call of ${server}`).toBe(
        'result',
      )
    expect((await status(stage)).pid, where).not.toBe(pid)
    expect(await stillRunning(killed), `${where}: children of the dead daemon`).toEqual([])
    const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
    seen.lost = Math.max(seen.lost, leases.filter(({ state }) => state === 'lost').length)
    seen.left = Math.max(seen.left, alive(stage).length)
    expect(uncovered(alive(stage), leases), `${where}: tokens that nobody knows of`).toEqual([])
    await must(stage, ['audit', 'verify'])
  })

  it('after all of them, what is revocable is revoked, and the rest is reported as lost', async () => {
    console.log(`${killed.length} children of dead daemons; ${JSON.stringify(seen)}`)
    expect(killed.length).toBeGreaterThan(kills)
    // Otherwise the runs above have shown nothing.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0)
    await must(stage, ['revoke', '--all', '--json'])
    const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
    expect(leases.filter(({ state }) => state !== 'lost')).toEqual([])
    expect(uncovered(alive(stage), leases)).toEqual([])
    for (const { startedAt, validUntil } of leases) expect(validUntil - startedAt).toBeGreaterThanOrEqual(3_600_000)
  })
})

/** Workers that call one tool after the other. `stop` answers the calls that were never answered. */
function startTraffic(
  stage: Stage,
  random: Random,
): {
  readonly seen: Record<Outcome, number>
  /** Resolves when so many calls have succeeded, or soon anyway. */
  until(results: number): Promise<void>
  stop(): Promise<string[]>
} {
  const seen = { result: 0, error: 0, none: 0 }
  const stopped = new AbortController()
  const worker = async (): Promise<string[]> => {
    const unanswered: string[] = []
    while (!stopped.signal.aborted) {
      const server = random.pick(['shared', 'once'])
      const tool = random.pick(['get_issue', 'get_issue', 'list_issues', 'create_issue'])
      const repo = random.pick(['web', 'api'])
      const args = { get_issue: { issue_number: repo === 'web' ? 42 : 7 }, list_issues: {}, create_issue: { title: 'From the mix' } }[tool]
      const outcome = await call(stage, server, tool, { repo, ...args })
      seen[outcome] += 1
      if (outcome === 'none') unanswered.push(`${server} ${tool} ${repo}`)
      // A daemon that is coming up refuses calls at once: no busy loop.
      if (outcome === 'error') await pause(5)
    }
    return unanswered
  }
  const all = Promise.all(Array.from({ length: workers }, worker))
  return {
    seen,
    async until(results) {
      for (let round = 0; round < 500 && seen.result < results; round += 1) await pause(5)
    },
    async stop() {
      stopped.abort()
      return (await all).flat()
    },
  }
}

async function call(stage: Stage, server: string, tool: string, args: Record<string, unknown>): Promise<Outcome> {
  const client = await stage.client(server)
  return client.callTool({ name: tool, arguments: { owner: 'acme', ...args } }, undefined, { timeout: patience }).then(
    (answer) => (answer.isError === true ? 'error' : 'result'),
    (error: unknown) => (Reflect.get(Object(error), 'code') === -32001 ? 'none' : 'error'),
  )
}

async function status(stage: Stage): Promise<z.infer<typeof statusShape>> {
  return statusShape.parse(JSON.parse(await must(stage, ['status', '--json'])))
}

/** Stopped before its children are counted, so that none comes after. */
function killFrozen(pid: number): KnownProcess[] {
  process.kill(pid, 'SIGSTOP')
  const children = descendantsOf(pid)
  process.kill(pid, 'SIGKILL')
  return children
}

/** A signal has been sent; the kernel needs a moment to carry it out. */
async function stillRunning(processes: readonly KnownProcess[]): Promise<KnownProcess[]> {
  for (let round = 0; round < 50 && processes.some(isRunning); round += 1) await pause(10)
  return processes.filter(isRunning)
}

function alive(stage: Stage): TokenView[] {
  return stage.github.tokens().filter((token) => token.alive)
}

/** The live tokens for which no listed lease is left, when each lease stands for one token. */
function uncovered(tokens: readonly TokenView[], leases: readonly ListedLease[]): TokenView[] {
  const holder = new Map<ListedLease, TokenView>()
  const place = (token: TokenView, tried: Set<ListedLease>): boolean => {
    for (const lease of leases) {
      if (tried.has(lease) || !standsFor(lease, token)) continue
      tried.add(lease)
      const other = holder.get(lease)
      if (other !== undefined && !place(other, tried)) continue
      holder.set(lease, token)
      return true
    }
    return false
  }
  return tokens.filter((token) => !place(token, new Set()))
}

/** A lost mint may have left the token that it looked the repository up with, instead of its own. */
function standsFor({ state, scope, startedAt, validUntil }: ListedLease, token: TokenView): boolean {
  const { metadata: _, ...permissions } = token.permissions
  const sameTime = token.mintedAt >= startedAt && token.expiresAt <= validUntil + 60_000
  const sameRepository = JSON.stringify(scope.repositories) === JSON.stringify(token.repositories)
  const own = JSON.stringify(scope.permissions) === JSON.stringify(permissions)
  return sameTime && sameRepository && (own || (state === 'lost' && Object.keys(permissions).length === 0))
}
