import { readFileSync, readlinkSync } from 'node:fs'
import { type ProcessLook, programName, startsOthers } from './program.ts'

export interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  /** Clock ticks since boot: a pid that was reused has another one. */
  readonly startTime: number
  /** What people call the program. */
  readonly name: string
  /** Only starts others (a shell with a command, npx, env): not an agent itself. */
  readonly launcher: boolean
}

/** Answers undefined for a process that is gone, or where there is no /proc. */
export type ReadProcess = (pid: number) => ProcessFacts | undefined

export const readProcess: ReadProcess = (pid) => {
  if (!Number.isSafeInteger(pid) || pid < 1) return undefined
  const stat = readOr(`/proc/${pid}/stat`)
  // The name stands in parentheses and may hold any character, parentheses too (proc_pid_stat(5)).
  const end = stat.lastIndexOf(')')
  const fields = stat.slice(end + 2).split(' ')
  const [parent, startTime] = [Number(fields[1]), Number(fields[19])]
  if (end === -1 || !Number.isSafeInteger(parent) || !Number.isSafeInteger(startTime)) return undefined
  const look: ProcessLook = {
    title: stat.slice(stat.indexOf('(') + 1, end),
    executable: executableOf(pid),
    args: readOr(`/proc/${pid}/cmdline`).replace(/\0+$/, '').split('\0'),
  }
  return { pid, parent, startTime, name: programName(look), launcher: startsOthers(look) }
}

/** Empty for another account's process. */
function executableOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')
  } catch {
    return ''
  }
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
