import { readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

export interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  readonly name: string
  /** Clock ticks since boot, so that a reused pid is another process. */
  readonly startTime: number
}

/** From /proc; undefined where there is none or the process is gone. */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      pid,
      parent: Number(fields[1]),
      name: nameOf(pid, stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))),
      startTime: Number(fields[19]),
    }
  } catch {
    return undefined
  }
}

/** The executable's name; for an interpreter, the script that it runs. */
function nameOf(pid: number, fallback: string): string {
  try {
    const executable = basename(readlinkSync(`/proc/${pid}/exe`))
    if (!/^(node|python[\d.]*|bun|deno)$/.test(executable)) return executable
    const script = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split('\0')
      .slice(1)
      .find((word) => word !== '' && !word.startsWith('-'))
    return script === undefined ? executable : basename(script)
  } catch {
    return fallback
  }
}
