import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { findPaths } from '../../src/config/paths.ts'
import { root, runJit } from '../support/command.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { Agents, type Answer } from './agents.ts'
import { floodReport, type FloodReport } from './flood.ts'
import { HttpAgents } from './http-agents.ts'
import type { Part, Setting } from './part.ts'

/** A place that anything on this machine can connect to. */
interface Place {
  readonly name: string
  /** A port, or the path of a socket. */
  readonly at: string
  /** The most that may be open there at once, by the limits of that listener. */
  readonly cap: number
}

interface Run {
  readonly stage: Stage
  readonly agents: Agents
  readonly http: HttpAgents
  readonly counts: Record<
    'places' | 'connections' | 'refused at once' | 'closed again' | 'calls while they come' | 'calls while they stand' | 'turned away',
    number
  >
  readonly figures: Record<string, string>
}

const count = 10_000
const read = { owner: 'acme', repo: 'web', issue_number: 42 }
/** Milliseconds that a flood may take to be made, and the daemon to be as before when it is gone. */
const patience = 60_000
/** What may stay behind: the daemon gives memory back when it likes, and calls of others have opened some descriptors. */
const more = { rss: 96, descriptors: 24 }

export const connections: Part = {
  name: 'connections',
  summary: 'ten thousand connections at each listener of the daemon: who is there already is served, what is too much is turned away',
  async run(setting) {
    const stage = await openStage()
    const run: Run = {
      stage,
      agents: new Agents(stage.home),
      http: new HttpAgents(),
      counts: {
        places: 0,
        connections: 0,
        'refused at once': 0,
        'closed again': 0,
        'calls while they come': 0,
        'calls while they stand': 0,
        'turned away': 0,
      },
      figures: {},
    }
    const failures: string[] = []
    try {
      await prepare(run)
      const { pid } = await status(stage)
      for (const place of await placesOf(run)) {
        const problems = await flood(run, setting, pid, place)
        for (const problem of problems) setting.say(`${place.name}: ${problem}`)
        failures.push(...problems.map((problem) => `${place.name}: ${problem}`))
      }
      if ((await status(stage)).pid !== pid) failures.push('the daemon ended on the way')
      await must(stage, ['audit', 'verify']).catch((error: unknown) => failures.push(String(error)))
    } finally {
      await run.http.close()
      await run.agents.close()
      await stage.close()
    }
    const { 'turned away': _, ...shown } = run.counts
    for (const [name, number] of Object.entries(shown)) if (number === 0) failures.push(`no ${name}: the run has shown nothing of them`)
    return { counts: run.counts, failures, figures: run.figures }
  },
}

async function prepare({ stage, agents, http }: Run): Promise<void> {
  const file = join(stage.home, 'jit.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('network:\n', 'http: { port: 0 }\nnetwork:\n'))
  await login(stage)
  const run = `    run: [node, ${JSON.stringify(join(root, 'test/support/fixture-server.mjs'))}]\n    provider: acme\n    sandbox: off\n`
  const tools = `    where: { owner: acme, repo: [web, api] }
    allow: [fetch_issue, environment]
    tools:
      fetch_issue:
        scope: { repositories: ["\${args.owner}/\${args.repo}"], permissions: { issues: read } }
        requests: ["GET /repos/\${args.owner}/\${args.repo}/issues/\${args.issue_number}"]
      environment: { where: none, scope: { repositories: [acme/web], permissions: { issues: read } }, requests: [] }
`
  const inject = 'inject: { mode: endpoint, env: API_TOKEN, url: { API_URL: "${endpoint}" } }'
  await configureServers(
    stage,
    githubServer('shared') +
      `  base:\n${run}    ${inject}\n${tools}` +
      `  proxied:\n${run}    inject: { mode: egress, env: API_TOKEN }\n${tools}`,
  )
  const { token } = z.looseObject({ token: z.string() }).parse(JSON.parse(await must(stage, ['token', 'add', 'many', '--json'])))
  http.enter((await status(stage)).http, token)
  for (const made of await Promise.all(callers({ agents, http }).map((call) => call())))
    if (made !== 'result') throw new Error(`the calls do not work before it: ${made}`)
}

/** A call of each way in, and by each way out. */
function callers({ agents, http }: Pick<Run, 'agents' | 'http'>): (() => Promise<Answer>)[] {
  return [
    () => agents.call('shared', 'get_issue', read),
    () => agents.call('base', 'fetch_issue', read),
    () => agents.call('proxied', 'fetch_issue', read),
    () => http.call('shared', 'get_issue', read),
  ]
}

/** Where listeners are: a server that is not in the sandbox is told its addresses, one that is in it has sockets of its own. */
async function placesOf({ stage }: Run): Promise<Place[]> {
  const { http, servers } = await status(stage)
  const environment = (name: string, variable: string): string => {
    const pid = servers.find((server) => server.name === name)?.lanes[0]?.pid ?? 0
    const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
    return variables.find((line) => line.startsWith(`${variable}=`))?.slice(variable.length + 1) ?? ''
  }
  const { apiSocket, connectSocket, runtime } = findPaths({ JIT_HOME: stage.home }, '')
  const proxy = new URL(environment('proxied', 'HTTPS_PROXY')).port
  const doors = readdirSync(runtime, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\/\d+$/.test(name) && statSync(join(runtime, name)).isSocket())
    .map((name) => ({
      name: basename(name) === proxy ? 'a lane’s socket of the proxy' : 'a lane’s socket of a port',
      at: join(runtime, name),
    }))
    // Each lane has the same ones.
    .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index)
    .map((door) => ({ ...door, cap: 512 + 64 }))
  return [
    { name: 'the HTTP door', at: new URL(http).port, cap: 256 },
    { name: 'the base URL of a lane', at: new URL(environment('base', 'API_URL')).port, cap: 64 },
    { name: 'the proxy of all lanes', at: proxy, cap: 512 + 64 },
    ...doors,
    { name: 'the socket of shims', at: connectSocket, cap: 256 + 64 },
    { name: 'the socket of the API', at: apiSocket, cap: 512 },
  ]
}

async function flood(run: Run, { random, say, size }: Setting, pid: number, place: Place): Promise<string[]> {
  const problems: string[] = []
  const before = holdings(pid)
  const args = [join(root, 'test/torture/flood.ts'), place.at, String(count), String(random.below(2 ** 31))]
  // Where the limit of files is lower, and may be raised, it is; node takes what it may have.
  const child = spawn('sh', ['-c', `ulimit -n ${count + 200} 2>/dev/null; exec "$0" "$@"`, process.execPath, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const report = async (): Promise<FloodReport | undefined> => {
    const line = await Promise.race([lines.next(), pause(patience)])
    return line === undefined || line.done === true ? undefined : floodReport.parse(JSON.parse(line.value))
  }
  try {
    let coming = true
    const made = report().finally(() => (coming = false))
    const early = await callOn(run, () => coming)
    const first = await made
    if (first === undefined) return [...problems, `the ${count} connections were not tried within ${patience} ms`]
    run.counts['calls while they come'] += early.result
    run.counts['turned away'] += early.error
    if (early.none > 0) problems.push(`${early.none} calls were never answered while they came`)
    if (early.result === 0) problems.push('no call succeeded while they came')
    // All stand there now: whoever was a client before is served, without an exception.
    let rounds = 0
    const late = await callOn(run, () => (rounds += 1) <= (size === 'nightly' ? 20 : 5))
    run.counts['calls while they stand'] += late.result
    if (late.error + late.none > 0) problems.push(`${late.error} calls failed and ${late.none} were never answered while they stood there`)
    const held = holdings(pid)
    child.stdin.write('\n')
    const now = (await report()) ?? first
    if (now.open > place.cap) problems.push(`${now.open} connections are open, and ${place.cap} may be`)
    run.counts.places += 1
    run.counts.connections += now.made
    run.counts['refused at once'] += now.refused
    run.counts['closed again'] += now.made - now.open
    run.figures[place.name] =
      `${now.made} made, ${now.refused} refused, ${now.open} stayed; ${before.rss} MiB before, ${held.rss} with them; calls: ${early.result} and ${early.error} turned away, then ${late.result}`
    say(`${place.name}: ${run.figures[place.name]}`)
  } finally {
    child.stdin.end()
    if (child.exitCode === null) await new Promise((resolve) => child.once('close', resolve))
  }
  return [...problems, ...(await aftermath(run, pid, before))]
}

/** All callers, one call after the other each, at least one. */
async function callOn(run: Run, goOn: () => boolean): Promise<Record<Answer, number>> {
  const seen = { result: 0, error: 0, none: 0 }
  do {
    for (const answer of await Promise.all(callers(run).map((call) => call()))) seen[answer] += 1
  } while (goOn())
  return seen
}

/** They are gone: commands and new clients come in, and the daemon holds no more than before. */
async function aftermath({ stage }: Run, pid: number, before: Holdings): Promise<string[]> {
  const problems: string[] = []
  const start = performance.now()
  const waits = async (check: () => boolean | Promise<boolean>): Promise<boolean> => {
    while (!(await check())) {
      if (performance.now() - start > patience) return false
      await pause(200)
    }
    return true
  }
  if (!(await waits(async () => (await runJit(stage.home, ['status'])).code === 0))) problems.push('no `jit status` after it')
  const newcomer = new Agents(stage.home)
  if (!(await waits(async () => (await newcomer.call('shared', 'get_issue', read)) === 'result'))) problems.push('no new client after it')
  await newcomer.close()
  const hasLess = (): boolean => {
    const { rss, descriptors } = holdings(pid)
    return rss <= before.rss + more.rss && (descriptors ?? 0) <= (before.descriptors ?? 0) + more.descriptors
  }
  if (!(await waits(hasLess))) problems.push(`it held ${JSON.stringify(before)} before, and ${JSON.stringify(holdings(pid))} after it`)
  return problems
}

interface Holdings {
  /** MiB. */
  readonly rss: number
  /** Undefined where the kernel shows them to root alone. */
  readonly descriptors: number | undefined
}

function holdings(pid: number): Holdings {
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  let descriptors: number | undefined
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`).length
  } catch {
    // Not ours to see.
  }
  return { rss: Math.round(Number(rss) / 1024), descriptors }
}

const statusShape = z.looseObject({
  pid: z.number(),
  http: z.string(),
  servers: z.array(z.looseObject({ name: z.string(), lanes: z.array(z.looseObject({ pid: z.number() })) })),
})

async function status(stage: Stage): Promise<z.infer<typeof statusShape>> {
  return statusShape.parse(JSON.parse(await must(stage, ['status', '--json'])))
}
