import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from '../../providers/github-app/fake/faults.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { Agents } from './agents.ts'
import type { Part, Setting } from './part.ts'
import { leasesShape, uncovered } from './tokens.ts'
import { startTraffic } from './traffic.ts'

const servers = ['shared', 'once'] as const
/** Milliseconds that this run's upstreams have for an answer. */
const timeout = 2000
/** Within which calls must succeed again after the last fault; GitHub may have asked for a second of rest. */
const recovery = 15_000

type Trouble = readonly [name: string, fault: (stage: Stage) => Omit<Fault, 'match' | 'times'>]

const troubles: readonly [Trouble, ...Trouble[]] = [
  ['429', () => ({ status: 429, headers: { 'retry-after': '1' } })],
  [
    'a secondary limit',
    () => ({ status: 403, headers: { 'retry-after': '1' }, body: { message: 'You have exceeded a secondary rate limit' } }),
  ],
  ['500', () => ({ status: 500 })],
  ['503 with a page', () => ({ status: 503, headers: { 'content-type': 'text/html' }, body: '<h1>unicorn</h1>' })],
  ['401', () => ({ status: 401, body: { message: 'Bad credentials' } })],
  ['a redirect elsewhere', () => ({ status: 302, headers: { location: 'https://127.0.0.1:9/' } })],
  ['a hang', () => ({ delay: 3 * timeout })],
  ['a slow drip', () => ({ drip: 4 })],
  ['a cut before', () => ({ cut: true })],
  ['a cut in the answer', () => ({ cut: 'half' as const })],
  ['another body', () => ({ change: () => ({ message: 'not what was asked' }) })],
  ['an expiry in the past', () => ({ change: (body) => changed(body, { expires_at: '2001-01-01T00:00:00Z' }) })],
  ['an expiry in the next century', () => ({ change: (body) => changed(body, { expires_at: '2126-01-01T00:00:00Z' }) })],
  ['more than was asked', () => ({ change: (body) => changed(body, { permissions: { issues: 'write', contents: 'write' } }) })],
  [
    'a token that is dead on arrival',
    (stage) => ({
      change(body) {
        stage.github.end(String(Reflect.get(Object(body), 'token')))
        return body
      },
    }),
  ],
]

const places = [
  { name: 'a mint', match: { method: 'POST', path: /access_tokens$/ } },
  { name: 'the end of a token', match: { method: 'DELETE', path: '/installation/token' } },
  { name: 'the proof that a token is dead', match: { method: 'GET', path: '/installation/repositories' } },
  { name: 'a tool’s read', match: { method: 'GET', path: /^\/repos\/acme\/\w+\/issues/ } },
  { name: 'a tool’s write', match: { method: 'POST', path: /^\/repos\// } },
] as const

export const upstream: Part = {
  name: 'upstream',
  summary: 'an upstream that limits, fails, hangs, drips, cuts, lies about expiry and scope, or hands out dead tokens',
  async run(setting) {
    const rounds = setting.size === 'nightly' ? 150 : 20
    const stage = await openStage()
    const agents = new Agents(stage.home)
    const counts = { rounds, results: 0, errors: 0, faults: 0 }
    const failures: string[] = []
    try {
      await prepare(stage)
      for (let round = 1; round <= rounds; round += 1) {
        const problems = await strike(setting, stage, agents, counts)
        for (const problem of problems) setting.say(problem)
        failures.push(...problems.map((problem) => `round ${round} of seed ${setting.seed}: ${problem}`))
        if (round % 10 === 0) setting.say(`${round} of ${rounds} rounds, ${counts.faults} faults, ${failures.length} failures`)
      }
      failures.push(...(await finish(stage)))
    } finally {
      await agents.close()
      await stage.close()
    }
    return { counts, failures }
  },
}

async function prepare(stage: Stage): Promise<void> {
  const file = join(stage.home, 'jit.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('network:\n', `network:\n  timeout: ${timeout}ms\n`))
  await login(stage)
  const allow = 'get_issue, list_issues, create_issue'
  await configureServers(stage, githubServer('shared', { allow, ttl: '5s' }) + githubServer('once', { allow, lifetime: 'call' }))
}

/** One fault at one place, once or for a while, in a running mix of calls; answers what is not as it must be after it. */
async function strike(
  { random }: Setting,
  stage: Stage,
  agents: Agents,
  counts: { results: number; errors: number; faults: number },
): Promise<string[]> {
  const [name, make] = random.pick(troubles)
  const place = random.pick(places)
  const times = random.pick([1, 1, 3, 8])
  const traffic = startTraffic(agents, servers, random)
  await traffic.until(random.below(6))
  const fault = stage.github.fault({ match: place.match, times, ...make(stage) })
  if ((await Promise.race([fault.hit().then(() => true), pause(7000, false)])) === true) counts.faults += 1
  await pause(random.below(300))
  fault.remove()
  const unanswered = await traffic.stop()
  counts.results += traffic.seen.result
  counts.errors += traffic.seen.error

  const problems = unanswered.map((call) => `${call} without an answer`)
  for (const server of servers) if (!(await recovers(agents, server))) problems.push(`${server} does not recover`)
  const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
  const unknown = uncovered(living(stage), leases)
  if (unknown.length > 0) problems.push(`${unknown.length} tokens that nobody knows of: ${JSON.stringify(unknown)}`)
  await must(stage, ['audit', 'verify']).catch((error: unknown) => problems.push(String(error)))
  return problems.map((problem) => `${name} at ${place.name}, ${times} times: ${problem}`)
}

async function recovers(agents: Agents, server: string): Promise<boolean> {
  const start = performance.now()
  while (performance.now() - start < recovery) {
    if ((await agents.call(server, 'get_issue', { owner: 'acme', repo: 'web', issue_number: 42 })) === 'result') return true
    await pause(100)
  }
  return false
}

/** What cannot be ended at once is tried again; in the end nothing may live that nobody lists. */
async function finish(stage: Stage): Promise<string[]> {
  await must(stage, ['revoke', '--all', '--json'])
  const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
  return uncovered(living(stage), leases).map((token) => `after \`jit revoke --all\` nobody knows of ${JSON.stringify(token)}`)
}

function living(stage: Stage): ReturnType<Stage['github']['tokens']> {
  return stage.github.tokens().filter((token) => token.alive)
}

function changed(body: unknown, changes: Record<string, unknown>): unknown {
  return typeof body === 'object' && body !== null ? { ...body, ...changes } : body
}
