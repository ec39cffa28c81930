import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { runJit } from '../support/command.ts'
import type { Random } from '../support/random.ts'
import type { Stage } from '../support/stage.ts'
import { Agents } from './agents.ts'
import { startTraffic } from './traffic.ts'

export interface Starving {
  readonly stage: Stage
  readonly agents: Agents
  readonly random: Random
  readonly pid: number
}

/** Milliseconds. */
const length = 20_000
/** Newcomers that want a session, and with it a server, while there is nothing to make it of. */
const newcomers = 3

/**
 * The daemon under load with as many descriptors as it has open, or a few more or less, changing several times a second: clients come
 * and go, servers are killed and wanted again. What was not as it must be; undefined: nothing here sets limits of others.
 */
export async function starve({ stage, agents, random, pid }: Starving): Promise<string[] | undefined> {
  const problems: string[] = []
  const open = descriptorsOf(pid) ?? 40
  if (!limitFiles(pid, open)) return undefined
  const traffic = startTraffic(agents, ['shared', 'once'], random)
  const guests = Array.from({ length: newcomers }, () => new Agents(stage.home))
  const started = performance.now()
  const seen = { result: 0, error: 0, none: 0 }
  const unclear: string[] = []
  try {
    while (performance.now() - started < length) {
      limitFiles(pid, Math.max(20, open - 8 + random.below(24)))
      const wishes = guests.map(async (guest) => {
        const server = random.pick(['shared', 'once'])
        seen[await guest.call(server, 'get_issue', { owner: 'acme', repo: 'api', issue_number: 7 })] += 1
        if (random.below(2) === 0) await guest.reconnect(server)
      })
      const asked = runJit(stage.home, [random.pick(['status', 'leases', 'approvals']), '--json'])
      await Promise.all([...wishes, pause(300)])
      const { code, stdout, stderr } = await asked
      if (code !== 0 && !isClear(`${stdout}${stderr}`)) unclear.push(`${stdout}${stderr}`)
    }
  } finally {
    limitFiles(pid, 20_000)
    problems.push(...(await traffic.stop()).map((call) => `${call} without an answer`))
    for (const guest of guests) await guest.close()
  }
  if (seen.none > 0) problems.push(`${seen.none} calls of newcomers were never answered`)
  if (traffic.seen.error + seen.error === 0) problems.push('nothing failed: there were descriptors enough, and it has shown nothing')
  const words = new Set(unclear)
  for (const text of words) problems.push(`a command does not say what is wrong: ${JSON.stringify(text)}`)
  return problems
}

/** It says what failed, in one form or the other, and what to do about it. */
function isClear(said: string): boolean {
  const parsed = z.object({ error: z.looseObject({ code: z.string(), message: z.string().min(1) }) }).safeParse(readJson(said))
  return parsed.success || /^(jit|error): /m.test(said)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** So many in all; prlimit(1). False where it is missing, or may not. */
export function limitFiles(pid: number, most: number): boolean {
  return spawnSync('prlimit', ['--pid', String(pid), `--nofile=${most}:20000`]).status === 0
}

/** Undefined where the kernel shows them to root alone, as those of a process that cannot be dumped. */
export function descriptorsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return undefined
  }
}
