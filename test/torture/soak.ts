import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { descendantsOf } from '../support/processes.ts'
import type { Random } from '../support/random.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { Agents } from './agents.ts'
import { HttpAgents } from './http-agents.ts'
import type { Outcome, Part } from './part.ts'
import { leasesShape } from './tokens.ts'
import { startTraffic } from './traffic.ts'

/** What the daemon holds at one moment. */
interface Sample {
  /** Seconds since the start. */
  readonly at: number
  /** MiB. The daemon gives memory back when it likes; of a third of the run, the lowest counts. */
  readonly rss: number
  /** Undefined where the kernel shows them to root alone, as those of a process that cannot be dumped. */
  readonly descriptors: number | undefined
  readonly children: number
  readonly leases: number
}

const statusShape = z.looseObject({
  pid: z.number(),
  http: z.string(),
  leases: z.looseObject({ live: z.number(), minting: z.number(), outstanding: z.number() }),
  servers: z.array(z.looseObject({ lanes: z.array(z.looseObject({ pid: z.number() })) })),
})

const servers = ['shared', 'once'] as const
/** Seconds; `JIT_SOAK_SECONDS` asks for another time. */
const seconds = { ci: 60, nightly: 3600 }
/** Seconds until the heap has the size that this load gives it: measured, it grows for three minutes and then swings. */
const warmUp = 180
/** What of the last third may lie above the first: MiB and a part for memory, a number for the rest. */
const more = { rss: 24, part: 0.15, descriptors: 24, children: 6 }
/** Milliseconds in which a lease that nobody uses is over: its ttl, and the end upstream. */
const patience = 30_000

export const soak: Part = {
  name: 'soak',
  summary: 'load over stdio and HTTP for a minute, or an hour: memory, descriptors and children stay flat, no lease is left behind',
  async run({ random, size, say }) {
    const length = Number(process.env['JIT_SOAK_SECONDS'] ?? seconds[size])
    const stage = await openStage()
    const agents = new Agents(stage.home)
    const http = new HttpAgents()
    try {
      await prepare(stage, http)
      const run = await load({ stage, agents, http, random, length, say })
      return judge(run, Math.min(warmUp, length / 4), await endings(stage, agents, http))
    } finally {
      await http.close()
      await agents.close()
      await stage.close()
    }
  },
}

async function prepare(stage: Stage, http: HttpAgents): Promise<void> {
  const file = join(stage.home, 'jit.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('network:\n', 'http: { port: 0 }\nnetwork:\n'))
  await login(stage)
  const allow = 'get_issue, list_issues, create_issue'
  await configureServers(stage, githubServer('shared', { allow, ttl: '5s' }) + githubServer('once', { allow, lifetime: 'call' }))
  const { token } = z.looseObject({ token: z.string() }).parse(JSON.parse(await must(stage, ['token', 'add', 'soak', '--json'])))
  http.enter((await status(stage)).http, token)
}

interface Load {
  readonly stage: Stage
  readonly agents: Agents
  readonly http: HttpAgents
  readonly random: Random
  readonly length: number
  say(line: string): void
}

interface Run {
  readonly samples: readonly Sample[]
  readonly counts: Record<'results over stdio' | 'results over HTTP' | 'errors' | 'restarts' | 'reconnects', number>
  readonly unanswered: readonly string[]
  readonly restarted: boolean
}

async function load({ stage, agents, http, random, length, say }: Load): Promise<Run> {
  const counts = { 'results over stdio': 0, 'results over HTTP': 0, errors: 0, restarts: 0, reconnects: 0 }
  const samples: Sample[] = []
  const stdio = startTraffic(agents, servers, random)
  const remote = startTraffic(http, servers, random)
  const { pid } = await status(stage)
  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 1000
  let restarted = false
  for (let spoken = 0; elapsed() < length;) {
    await pause(Math.min(5000, (length * 1000) / 60))
    const now = await status(stage)
    restarted ||= now.pid !== pid
    samples.push(sampleOf(pid, elapsed(), now.leases.live + now.leases.minting + now.leases.outstanding))
    switch (random.below(4)) {
      case 0: {
        const lane = random.pick([now.servers[0], now.servers[1]])?.lanes[0]
        if (lane !== undefined && lane.pid > 0) endQuietly(lane.pid)
        counts.restarts += 1
        break
      }
      case 1:
        await (random.below(2) === 0 ? agents : http).reconnect(random.pick(servers))
        counts.reconnects += 1
        break
    }
    if (elapsed() - spoken >= 60) {
      spoken = elapsed()
      say(curve(samples.slice(-1)))
    }
  }
  const unanswered = [...(await stdio.stop()), ...(await remote.stop())]
  counts['results over stdio'] = stdio.seen.result
  counts['results over HTTP'] = remote.seen.result
  counts.errors = stdio.seen.error + remote.seen.error
  return { samples, counts, unanswered, restarted }
}

/** Nobody calls any more: all that was handed out ends by itself. */
async function endings(stage: Stage, agents: Agents, http: HttpAgents): Promise<string[]> {
  await agents.close()
  await http.close()
  const started = performance.now()
  let left = ''
  while (performance.now() - started < patience) {
    const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
    const tokens = stage.github.tokens().filter((token) => token.alive).length
    if (leases.length === 0 && tokens === 0) return []
    left = `${leases.length} leases and ${tokens} tokens are left when nobody has called for ${patience / 1000} s`
    await pause(500)
  }
  return [left]
}

function judge({ samples, counts, unanswered, restarted }: Run, warm: number, left: readonly string[]): Outcome {
  const warmed = samples.filter(({ at }) => at >= warm)
  const third = Math.floor(warmed.length / 3)
  const [first, last] = [warmed.slice(0, third), warmed.slice(-third)]
  const failures = [...left, ...unanswered.map((call) => `${call} without an answer`)]
  if (restarted) failures.push('the daemon ended on the way')
  const compare = (what: string, before: number | undefined, after: number | undefined, most: (before: number) => number): void => {
    if (before !== undefined && after !== undefined && after > most(before))
      failures.push(`${what}: ${before} in the first third, ${after} in the last`)
  }
  const memory = [first, last].map((part) => Math.min(...part.map(({ rss }) => rss)))
  compare('MiB at the lowest', memory[0], memory[1], (before) => before * (1 + more.part) + more.rss)
  for (const what of ['descriptors', 'children'] as const) {
    const [before, after] = [first, last].map((part) => Math.max(...part.map((sample) => sample[what] ?? 0)))
    compare(`${what} at the highest`, before, after, (most) => most + more[what])
  }
  for (const [name, count] of Object.entries(counts)) if (count === 0) failures.push(`no ${name}: the run has shown nothing of them`)
  const hidden = samples.every(({ descriptors }) => descriptors === undefined)
  return {
    counts: { samples: samples.length, ...counts },
    failures,
    skipped: hidden ? ['descriptors: the kernel shows those of the daemon to root alone'] : [],
    figures: {
      'at (s), MiB, descriptors, children, leases': curve(
        samples.filter((_, index) => index % Math.max(1, Math.floor(samples.length / 20)) === 0),
      ),
    },
  }
}

function curve(samples: readonly Sample[]): string {
  return samples
    .map(({ at, rss, descriptors, children, leases }) => [Math.round(at), rss, descriptors ?? '-', children, leases].join(' '))
    .join(' | ')
}

/** proc_pid_status(5) and proc_pid_fd(5). */
function sampleOf(pid: number, at: number, leases: number): Sample {
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return { at, rss: Math.round(Number(rss) / 1024), descriptors: descriptorsOf(pid), children: descendantsOf(pid).length, leases }
}

function descriptorsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return undefined
  }
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has made room for another in the meantime.
  }
}

async function status(stage: Stage): Promise<z.infer<typeof statusShape>> {
  return statusShape.parse(JSON.parse(await must(stage, ['status', '--json'])))
}
