import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { TokenView } from '../../providers/github-app/fake/state.ts'
import { parseRecord } from '../../src/audit/record.ts'
import { root } from '../support/command.ts'
import { descendantsOf, isRunning, type KnownProcess } from '../support/processes.ts'
import type { Random } from '../support/random.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { Agents } from './agents.ts'
import type { Part } from './part.ts'
import { leasesShape, uncovered } from './tokens.ts'
import { startTraffic, type Traffic } from './traffic.ts'

export type Target = 'daemon' | 'shim' | 'server'

const statusShape = z.looseObject({
  pid: z.number(),
  servers: z.array(z.looseObject({ name: z.string(), lanes: z.array(z.looseObject({ pid: z.number() })) })),
})
type Status = z.infer<typeof statusShape>

/** Where a run is killed: while the stand-in handles such a request, or at any time. */
const points = [
  { name: 'a mint', match: { method: 'POST', path: /access_tokens$/ } },
  { name: 'the end of a token', match: { method: 'DELETE', path: '/installation/token' } },
  { name: 'the proof that a token is dead', match: { method: 'GET', path: '/installation/repositories' } },
  { name: 'a tool’s read', match: { method: 'GET', path: /^\/repos\// } },
  { name: 'a tool’s write', match: { method: 'POST', path: /^\/repos\// } },
  { name: 'any time', match: undefined },
] as const

const servers = ['shared', 'once'] as const
/** A child that ignores the end of its input is ended by SIGKILL after this long, in rounds of 50 ms. */
const burial = 160

export const kills: Part = {
  name: 'kills',
  summary: 'kill -9 of the daemon, shims and servers at random points of a running mix of calls',
  async run({ random, seed, size, say }) {
    const rounds = size === 'nightly' ? 240 : 30
    const run = await openKillRun(random)
    const failures: string[] = []
    try {
      for (let round = 1; round <= rounds; round += 1) {
        const target = random.pick(['daemon', 'daemon', 'shim', 'server'])
        const problems = await run.round(target)
        failures.push(...problems.map((problem) => `kill ${round} of seed ${seed}: ${problem}`))
        if (round % 10 === 0) say(`${round} of ${rounds} kills, ${run.counts.results} answers, ${failures.length} failures`)
      }
      failures.push(...(await run.finish()))
    } finally {
      await run.close()
    }
    for (const [name, count] of Object.entries(run.counts)) if (count === 0) failures.push(`no ${name}: the run has shown nothing of them`)
    return { counts: { kills: rounds, ...run.counts }, failures, figures: { 'next answer after the daemon’s end': run.recovery() } }
  },
}

export interface KillRun {
  readonly counts: Readonly<Record<'results' | 'errors' | 'children' | 'tokens left' | 'lost mints' | 'records', number>>
  /** Kills one at a random point and answers what is not as it must be after it. */
  round(target: Target): Promise<string[]>
  /** Revokes all: nothing may be left that nobody knows of. */
  finish(): Promise<string[]>
  /** Milliseconds, for people. */
  recovery(): string
  close(): Promise<void>
}

/** A stage with two GitHub servers and one that outlives its input, under a mix of calls. */
export async function openKillRun(random: Random): Promise<KillRun> {
  const stage = await openStage()
  await login(stage)
  const allow = 'get_issue, list_issues, create_issue'
  const stubborn = `  stubborn:\n    run: [node, ${JSON.stringify(join(root, 'test/support/fixture-server.mjs'))}, --stay]\n    allow: [big]\n`
  await configureServers(stage, githubServer('shared', { allow }) + githubServer('once', { allow, lifetime: 'call' }) + stubborn)
  const agents = new Agents(stage.home)
  await agents.shim('stubborn')
  const killed: KnownProcess[] = []
  const waits: number[] = []
  const counts = { results: 0, errors: 0, children: 0, 'tokens left': 0, 'lost mints': 0, records: 0 }

  const check = async (target: Target, before: Status, server: number): Promise<string[]> => {
    const problems: string[] = []
    if (!(await untilUnlisted(stage, server))) problems.push(`the daemon takes server ${server} for running`)
    for (const server of servers) {
      const answer = await agents.call(server, 'get_issue', { owner: 'acme', repo: 'web', issue_number: 42 })
      if (answer !== 'result') problems.push(`the next call of ${server}: ${answer}`)
    }
    const now = await status(stage)
    if ((now.pid === before.pid) === (target === 'daemon')) problems.push(`the daemon was ${before.pid} and is ${now.pid}`)
    const orphans = await stillRunning(killed)
    if (orphans.length > 0) problems.push(`${orphans.length} children left`)
    const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
    counts['lost mints'] = Math.max(counts['lost mints'], leases.filter(({ state }) => state === 'lost').length)
    counts['tokens left'] = Math.max(counts['tokens left'], alive(stage).length)
    const unknown = uncovered(alive(stage), leases)
    if (unknown.length > 0) problems.push(`${unknown.length} tokens that nobody knows of`)
    await must(stage, ['audit', 'verify']).catch((error: unknown) => problems.push(String(error)))
    return problems
  }

  return {
    counts,
    async round(target) {
      const point = random.pick(points)
      const delay = random.below(point.match === undefined ? 400 : 12)
      const before = await status(stage)
      const traffic = startTraffic(agents, servers, random)
      // Sometimes right at the start, sometimes when lanes and leases are warm.
      await traffic.until(random.below(20))
      const aimed = point.match === undefined ? undefined : stage.github.fault({ match: point.match, delay: 6, times: 1 })
      // A point that this mix does not come by in time is taken as it comes.
      await Promise.race([aimed?.hit(), pause(aimed === undefined ? 0 : 1500)])
      await pause(delay)
      const { server, children } = await kill(stage, agents, target, before, random)
      killed.push(...children)
      if (target === 'daemon') waits.push(await untilAnswer(traffic))
      const unanswered = await traffic.stop()
      aimed?.remove()
      counts.results += traffic.seen.result
      counts.errors += traffic.seen.error
      counts.children += children.length
      const where = `${target}, at ${point.name}, after ${delay} ms: `
      const problems = unanswered.map((call) => `${call} without an answer`)
      problems.push(...(await check(target, before, server)))
      return problems.map((problem) => where + problem)
    },
    async finish() {
      const problems: string[] = []
      await must(stage, ['revoke', '--all', '--json'])
      const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
      const open = leases.filter(({ state }) => state !== 'lost')
      if (open.length > 0) problems.push(`after \`jit revoke --all\`: ${open.length} leases that are not lost mints`)
      if (uncovered(alive(stage), leases).length > 0) problems.push('after `jit revoke --all`: tokens that nobody knows of')
      // A mint whose answer was lost cannot be revoked: its row stays for as long as GitHub would take the token.
      for (const { id, startedAt, validUntil } of leases)
        if (validUntil - startedAt < 3_600_000) problems.push(`${id} is forgotten too early`)
      const trail = await readTrail(stage)
      counts.records = trail.records
      if (trail.answered < counts.results) problems.push(`${counts.results} answers were released, and ${trail.answered} recorded`)
      if (trail.intents < trail.effects) problems.push(`${trail.effects} writes reached GitHub, and ${trail.intents} were intended`)
      return problems
    },
    recovery: () => spread(waits),
    async close() {
      await agents.close()
      await stage.close()
    },
  }
}

/** What must be gone after it: the children of a daemon, or one server (its pid; 0 for none). */
interface Victims {
  readonly children: readonly KnownProcess[]
  readonly server: number
}

async function kill(stage: Stage, agents: Agents, target: Target, before: Status, random: Random): Promise<Victims> {
  if (target === 'daemon') return { children: killFrozen(before.pid), server: 0 }
  if (target === 'shim') {
    const shim = await agents.shim(random.pick(servers))
    if (shim !== undefined) process.kill(shim, 'SIGKILL')
    return { children: [], server: 0 }
  }
  const lanes = (await status(stage)).servers.filter(({ name }) => name !== 'stubborn').flatMap((server) => server.lanes)
  const lane = lanes[random.below(lanes.length)]
  if (lane === undefined || lane.pid <= 0) return { children: [], server: 0 }
  endQuietly(lane.pid)
  return { children: [], server: lane.pid }
}

/**
 * Until the daemon has seen the server's end. The kernel takes milliseconds to carry out the signal, and a call that goes to the
 * server meanwhile is lost with it: it may have had its effect, so it is answered with an error, and is not made again. The
 * call after that gets a new server.
 */
async function untilUnlisted(stage: Stage, server: number): Promise<boolean> {
  const isListed = async (): Promise<boolean> => (await status(stage)).servers.some(({ lanes }) => lanes.some(({ pid }) => pid === server))
  if (server === 0) return true
  for (let round = 0; round < burial && (await isListed()); round += 1) await pause(50)
  return !(await isListed())
}

/** Stopped before its children are counted, so that none comes after. */
function killFrozen(pid: number): KnownProcess[] {
  process.kill(pid, 'SIGSTOP')
  const children = descendantsOf(pid)
  process.kill(pid, 'SIGKILL')
  return children
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has made room for another in the meantime.
  }
}

/** Milliseconds until a call succeeds again. */
async function untilAnswer(traffic: Traffic): Promise<number> {
  const start = performance.now()
  const before = traffic.seen.result
  for (let round = 0; round < 2000 && traffic.seen.result === before; round += 1) await pause(5)
  return performance.now() - start
}

async function status(stage: Stage): Promise<Status> {
  return statusShape.parse(JSON.parse(await must(stage, ['status', '--json'])))
}

/** A signal has been sent; the kernel needs a moment to carry it out, and a lane that is closed has its grace. */
async function stillRunning(processes: readonly KnownProcess[]): Promise<KnownProcess[]> {
  for (let round = 0; round < burial && processes.some(isRunning); round += 1) await pause(50)
  return processes.filter(isRunning)
}

function alive(stage: Stage): TokenView[] {
  return stage.github.tokens().filter((token) => token.alive)
}

/** What the trail says that was released and intended, and what GitHub saw. */
async function readTrail(stage: Stage): Promise<{ records: number; answered: number; intents: number; effects: number }> {
  const lines = (await must(stage, ['audit', '--json'])).split('\n').filter((line) => line !== '')
  let answered = 0
  let intents = 0
  for (const line of lines) {
    const record = parseRecord(Buffer.from(line))
    if (record?.type === 'call.close' && record.result === 'ok') answered += 1
    if (record?.type === 'call.intent' && record.tool === 'create_issue') intents += 1
  }
  const effects = stage.github.journal.filter(({ method, path }) => method === 'POST' && path.endsWith('/issues')).length
  return { records: lines.length, answered, intents, effects }
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((left, right) => left - right)
  const at = (part: number): string => `${Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)} ms`
  return sorted.length === 0 ? 'none' : `median ${at(0.5)}, 90 % ${at(0.9)}, most ${at(1)}`
}
