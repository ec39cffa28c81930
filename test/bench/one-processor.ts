import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { z } from 'zod'
import { jitJson } from '../support/command.ts'
import { descendantsOf } from '../support/processes.ts'

const run = promisify(execFile)

/** What is said where it cannot be done. */
export const noOneProcessor = 'calls on one processor: that takes Linux and `taskset`'

/** Of a home's daemon, which is nobody's child. */
export async function daemonOf(home: string): Promise<number> {
  return z.looseObject({ pid: z.number() }).parse(await jitJson(home, ['status'])).pid
}

/**
 * Does the work while this process, these others and all of their descendants share one processor, and lets them go again.
 * Where a call goes through several processes one after the other, that is what the work itself takes: to wake a process on another
 * processor, which sleeps, takes longer than the call, and the system's scheduler throws dice for where a process is. False where it cannot be done
 * (no Linux, no `taskset`); then the work was not done.
 */
export async function onOneProcessor(others: readonly number[], work: () => Promise<void>): Promise<boolean> {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readStatus())?.[1]
  if (allowed === undefined) return false
  const last = allowed.split(/[-,]/).at(-1) ?? '0'
  const place = async (processors: string): Promise<void> => {
    const roots = [process.pid, ...others]
    const all = new Set([...roots, ...roots.flatMap((root) => descendantsOf(root).map(({ pid }) => pid))])
    // Some may have ended meanwhile.
    for (const pid of all) await run('taskset', ['-a', '-c', '-p', processors, String(pid)]).catch(() => undefined)
  }
  try {
    await run('taskset', ['--version'])
  } catch {
    return false
  }
  await place(last)
  try {
    await work()
  } finally {
    await place(allowed)
  }
  return true
}

function readStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8')
  } catch {
    return ''
  }
}
