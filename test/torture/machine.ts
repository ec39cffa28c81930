import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { findPaths } from '../../src/config/paths.ts'
import { demoEnvironment, root, runJit } from '../support/command.ts'
import type { Random } from '../support/random.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openSmallDisk } from '../support/small-disk.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { Agents } from './agents.ts'
import { limitFiles, starve } from './descriptors.ts'
import type { Part, Setting } from './part.ts'
import { leasesShape, uncovered } from './tokens.ts'
import { jumpWhileWaiting } from './waiting.ts'

/** What a trouble may say: what went wrong, or why it was not tried. */
type Finding = { readonly failure: string } | { readonly skipped: string }

interface Place {
  readonly stage: Stage
  readonly agents: Agents
  readonly random: Random
  readonly pid: number
}

interface Trouble {
  readonly name: string
  run(place: Place): Promise<Finding[]>
}

const read = { owner: 'acme', repo: 'web', issue_number: 42 }
const patience = 15_000

export const machine: Part = {
  name: 'machine',
  summary: 'a machine that fails: fsync with EIO, a disk that is read-only, no descriptors, clocks that jump, a damaged store',
  async run(setting) {
    const counts: Record<string, number> = { troubles: 0 }
    const failures: string[] = []
    const skipped: string[] = []
    for (let round = 0; round < (setting.size === 'nightly' ? 3 : 1); round += 1) {
      for (const trouble of troubles) {
        for (const finding of await meet(trouble, setting)) {
          const text = `${trouble.name}: ${'failure' in finding ? finding.failure : finding.skipped}`
          setting.say(text)
          if ('failure' in finding) failures.push(text)
          else skipped.push(text)
        }
        counts['troubles'] = (counts['troubles'] ?? 0) + 1
      }
    }
    return { counts, failures, skipped }
  },
}

async function meet(trouble: Trouble, { random }: Setting): Promise<Finding[]> {
  const disk = openSmallDisk(64 * 1024 * 1024)
  const stage = await openStage(typeof disk === 'string' ? {} : { within: disk.folder })
  const agents = new Agents(stage.home)
  try {
    await login(stage)
    await configureServers(stage, githubServer('shared') + githubServer('once', { lifetime: 'call' }))
    for (const server of ['shared', 'once'])
      if ((await agents.call(server, 'get_issue', read)) !== 'result') return [{ failure: `${server} does not work before it` }]
    const { pid } = await status(stage)
    const findings = await trouble.run({ stage, agents, random, pid })
    return [...findings, ...(await aftermath(stage, agents))]
  } finally {
    await agents.close()
    await stage.close()
    if (typeof disk !== 'string') disk.close()
  }
}

/** Whatever it was: calls work again, the trail verifies, and after `jit revoke --all` no token lives. */
async function aftermath(stage: Stage, agents: Agents): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const server of ['shared', 'once'])
    if (!(await recovers(agents, server))) findings.push({ failure: `${server} does not work after it` })
  const verified = await runJit(stage.home, ['audit', 'verify'])
  if (verified.code !== 0) findings.push({ failure: `the trail does not verify: ${verified.stdout}${verified.stderr}` })
  await must(stage, ['revoke', '--all', '--json'])
  // What a mint left behind whose answer was lost, nobody holds and nobody can end: it is listed until it expires.
  const leases = leasesShape.parse(JSON.parse(await must(stage, ['leases', '--json'])))
  const alive = stage.github.tokens().filter((token) => token.alive)
  const open = leases.filter(({ state }) => state !== 'lost')
  const unknown = uncovered(alive, leases).length
  if (open.length + unknown > 0)
    findings.push({
      failure: `after \`jit revoke --all\` ${alive.length} tokens live, ${unknown} of which nobody knows, and these leases are open: ${JSON.stringify(open)}`,
    })
  return findings
}

const troubles: readonly Trouble[] = [
  {
    name: 'fsync answers EIO',
    async run({ stage, agents, pid }) {
      const strace = injectErrors(pid, 'fsync,fdatasync', 'EIO')
      if (strace === undefined) return [{ skipped: 'needs strace, and the right to trace' }]
      await strace.attached
      const findings = await refusesOrRecords(stage, agents)
      strace.end()
      await strace.ended
      return findings
    },
  },
  {
    name: 'write answers ENOSPC',
    async run({ stage, agents, pid }) {
      const strace = injectErrors(pid, 'pwrite64,pwritev,ftruncate', 'ENOSPC')
      if (strace === undefined) return [{ skipped: 'needs strace, and the right to trace' }]
      await strace.attached
      const findings = await refusesOrRecords(stage, agents)
      strace.end()
      await strace.ended
      return findings
    },
  },
  {
    name: 'the disk is read-only when the daemon starts',
    async run({ stage }) {
      const folder = join(stage.home, '..')
      await must(stage, ['stop'])
      if (!remount(folder, 'ro')) return [{ skipped: 'this account may not mount' }]
      const answer = await runJit(stage.home, ['leases'])
      remount(folder, 'rw')
      const said = `${answer.stdout}${answer.stderr}`
      return answer.code !== 0 && /read-only|EROFS|readonly/i.test(said) ? [] : [{ failure: `it does not say what is wrong: ${said}` }]
    },
  },
  {
    name: 'no file descriptors are left',
    async run({ agents, pid, random }) {
      const open = 30 + random.below(10)
      if (!limitFiles(pid, open)) return [{ skipped: 'needs prlimit' }]
      const fresh = await Promise.all(
        Array.from({ length: 6 }, () => agents.call('shared', 'get_issue', { ...read, repo: 'api', issue_number: 7 })),
      )
      limitFiles(pid, 20_000)
      return [...fresh.flatMap((answer) => (answer === 'none' ? [{ failure: 'a call was never answered' }] : [])), ...stillRuns(pid)]
    },
  },
  {
    name: 'few file descriptors for twenty seconds',
    async run({ stage, agents, random, pid }) {
      const problems = await starve({ stage, agents, random, pid })
      if (problems === undefined) return [{ skipped: 'needs prlimit' }]
      return [...problems.map((failure) => ({ failure })), ...stillRuns(pid)]
    },
  },
  {
    name: 'the clock jumps by an hour, on and back',
    run: ({ stage, agents }) => jumpClock(stage, agents),
  },
  {
    name: 'the store is damaged while no daemon runs',
    async run({ stage, random }) {
      const { database, auditFolder } = findPaths({ JIT_HOME: stage.home }, '')
      await must(stage, ['stop'])
      const whole = readFileSync(database)
      const trail = `${auditFolder}-whole`
      cpSync(auditFolder, trail, { recursive: true })
      const findings: Finding[] = []
      for (const damage of damages(random)) {
        writeFileSync(database, damage(whole))
        const before = digest(database)
        const answer = await runJit(stage.home, ['leases'])
        const said = `${answer.stdout}${answer.stderr}`
        // Some damage hits nothing that is read; then it just runs.
        if (answer.code !== 0 && !/store|database/.test(said)) findings.push({ failure: `it does not say what is wrong: ${said}` })
        if (answer.code !== 0 && digest(database) !== before) findings.push({ failure: 'it wrote into a store that it cannot read' })
        await runJit(stage.home, ['stop'])
        if (answer.code !== 0) findings.push(...(await recoversStore(stage)))
        removeStore(stage)
        writeFileSync(database, whole)
        // A recovered store may sign with another key: an older store beside that trail is what `audit verify` must find.
        rmSync(auditFolder, { recursive: true })
        cpSync(trail, auditFolder, { recursive: true })
      }
      return findings
    },
  },
]

/** `jit doctor --recover-store`: the damaged one stays as it is, and of the new one nothing gets through before a person says so. */
async function recoversStore(stage: Stage): Promise<Finding[]> {
  const { database } = findPaths({ JIT_HOME: stage.home }, '')
  const before = digest(database)
  const answer = await runJit(stage.home, ['doctor', '--recover-store', '--json'])
  // The empty file is what a first start leaves that was killed: there is nothing to read in it, and it is lost all the same.
  if (answer.code !== 0) return [{ failure: `no recovery of a damaged store: ${answer.stdout}${answer.stderr}` }]
  const { damaged } = z.looseObject({ damaged: z.string() }).parse(JSON.parse(answer.stdout))
  const findings: Finding[] = digest(damaged) === before ? [] : [{ failure: 'the damaged store was changed' }]
  const opened = await runJit(stage.home, ['leases'])
  if (opened.code !== 0) return [...findings, { failure: `a recovered store cannot be used: ${opened.stdout}${opened.stderr}` }]
  const { locked } = z.looseObject({ locked: z.boolean() }).parse(JSON.parse(await must(stage, ['status', '--json'])))
  if (!locked) findings.push({ failure: 'a recovered store is not locked' })
  await must(stage, ['stop'])
  return findings
}

const fakeTime = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib'].map(
  (folder) => `${folder}/faketime/libfaketime.so.1`,
)
/** Milliseconds: the ttl of these leases, and what their end upstream may take with a machine under load. */
const shortLife = { ttl: 3000, end: 15_000 }

/** With every jump of the wall clock calls are answered or refused, and what was handed out ends when it would have: no sooner used up, no later. */
async function jumpClock(stage: Stage, agents: Agents): Promise<Finding[]> {
  const library = fakeTime.find((file) => existsSync(file))
  if (library === undefined) return [{ skipped: 'needs faketime' }]
  const offset = join(stage.home, 'offset')
  const findings: Finding[] = []
  await configureServers(
    stage,
    githubServer('shared', { ttl: `${shortLife.ttl}ms` }) +
      githubServer('once', { lifetime: 'call' }) +
      githubServer('asked', { allow: 'list_issues', ask: 'get_issue' }),
  )
  // A shim that is open starts another daemon at once.
  await agents.close()
  await must(stage, ['stop'])
  writeFileSync(offset, '+0')
  const environment = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: offset, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  const daemon = spawn(process.execPath, [join(root, 'src/daemon/main.ts')], {
    cwd: root,
    env: { ...demoEnvironment(stage.home), ...environment },
    stdio: 'ignore',
  })
  const ended = new Promise((resolve) => daemon.once('close', resolve))
  try {
    for (let round = 0; round < 100 && (await runJit(stage.home, ['status'])).code !== 0; round += 1) await pause(100)
    if (!(await recovers(agents, 'shared'))) return [{ failure: 'no call works in a daemon under faketime' }]
    for (const jump of ['+3600', '+0', '-3600', '+3600', '+0']) {
      if ((await agents.call('shared', 'get_issue', read)) === 'none')
        findings.push({ failure: `before ${jump} s: a call was never answered` })
      writeFileSync(offset, jump)
      for (const server of ['shared', 'once'])
        if ((await agents.call(server, 'get_issue', read)) === 'none')
          findings.push({ failure: `after ${jump} s: a call was never answered` })
      const left = await untilDead(stage, shortLife.ttl + shortLife.end)
      if (left > 0) findings.push({ failure: `after ${jump} s: ${left} tokens outlive their lease of ${shortLife.ttl} ms` })
      const shown = Math.abs((await status(stage)).startedAt - Date.now())
      if (shown > 2 * 3_600_000) findings.push({ failure: `after ${jump} s the daemon takes its start for ${shown} ms ago` })
    }
    findings.push(...(await jumpWhileWaiting(stage, agents, 'asked', offset)).map((failure) => ({ failure })))
    if ((await status(stage)).pid !== daemon.pid)
      findings.push({ failure: 'the daemon that was started by hand is not the one that answers' })
    return findings
  } finally {
    writeFileSync(offset, '+0')
    await must(stage, ['stop'])
    await ended
  }
}

/** How many tokens live when the time is over. */
async function untilDead(stage: Stage, patience: number): Promise<number> {
  const alive = (): number => stage.github.tokens().filter((token) => token.alive).length
  const start = performance.now()
  while (performance.now() - start < patience && alive() > 0) await pause(100)
  return alive()
}

function removeStore(stage: Stage): void {
  const { database } = findPaths({ JIT_HOME: stage.home }, '')
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${database}${suffix}`, { force: true })
}

/** While nothing can be written: what is answered stands in the trail, all else is refused; revoking and locking always go. */
async function refusesOrRecords(stage: Stage, agents: Agents): Promise<Finding[]> {
  const findings: Finding[] = []
  let answered = 0
  for (let round = 0; round < 12; round += 1) {
    const answer = await agents.call(round % 2 === 0 ? 'shared' : 'once', 'get_issue', read)
    if (answer === 'none') findings.push({ failure: 'a call was never answered' })
    if (answer === 'result') answered += 1
  }
  const revoked = await runJit(stage.home, ['revoke', '--all', '--json'])
  if (revoked.code !== 0) findings.push({ failure: `\`jit revoke --all\`: ${revoked.stderr}` })
  const left = stage.github.tokens().filter((token) => token.alive).length
  if (left > 0) findings.push({ failure: `${left} tokens live after \`jit revoke --all\`` })
  const recorded = (await runJit(stage.home, ['audit', '--json'])).stdout
    .split('\n')
    .filter((line) => line.includes('"result":"ok"')).length
  if (recorded < answered) findings.push({ failure: `${answered} answers, ${recorded} in the trail` })
  return findings
}

function stillRuns(pid: number): Finding[] {
  try {
    process.kill(pid, 0)
    return []
  } catch {
    return [{ failure: 'the daemon died of it' }]
  }
}

async function recovers(agents: Agents, server: string): Promise<boolean> {
  const start = performance.now()
  while (performance.now() - start < patience) {
    if ((await agents.call(server, 'get_issue', read)) === 'result') return true
    await pause(100)
  }
  return false
}

interface Injection {
  readonly attached: Promise<unknown>
  readonly ended: Promise<unknown>
  end(): void
}

/** strace(1): from now on these calls of all threads fail. */
function injectErrors(pid: number, calls: string, error: string): Injection | undefined {
  if (spawnSync('strace', ['-V']).status !== 0) return undefined
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`, '-p', String(pid)]
  const child: ChildProcess = spawn('strace', args, { stdio: 'ignore' })
  return {
    attached: pause(500),
    ended: new Promise((resolve) => child.once('close', resolve)),
    end: () => void child.kill('SIGINT'),
  }
}

function remount(folder: string, how: 'ro' | 'rw'): boolean {
  return spawnSync('/bin/mount', ['-o', `remount,${how}`, folder]).status === 0
}

function damages(random: Random): readonly ((whole: Buffer) => Buffer)[] {
  return [
    (whole) => whole.subarray(0, Math.floor(whole.length / 2)),
    (whole) => Buffer.concat([Buffer.from('not a database'), whole.subarray(14)]),
    () => Buffer.alloc(0),
    ...Array.from({ length: 5 }, () => (whole: Buffer) => {
      const copy = Buffer.from(whole)
      for (let hit = 0; hit < 64; hit += 1) copy[random.below(copy.length)] = random.below(256)
      return copy
    }),
  ]
}

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

async function status(stage: Stage): Promise<{ pid: number; startedAt: number }> {
  return z.looseObject({ pid: z.number(), startedAt: z.number() }).parse(JSON.parse(await must(stage, ['status', '--json'])))
}
