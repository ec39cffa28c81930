import { readdirSync, readFileSync } from 'node:fs'

/** A process of Linux, told apart from a later one with the same pid. */
export interface KnownProcess {
  readonly pid: number
  readonly startTime: string
}

/** All descendants of a process. Stop the process first (SIGSTOP), or it may start more meanwhile. */
export function descendantsOf(pid: number): KnownProcess[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => look(Number(name)) ?? [])
  const found: KnownProcess[] = []
  for (let parents = [pid]; parents.length > 0;) {
    const children = all.filter(({ parent }) => parents.includes(parent))
    found.push(...children)
    parents = children.map((child) => child.pid)
  }
  return found
}

/** Zombies are dead: only their parent has not asked for their end yet. */
export function isRunning({ pid, startTime }: KnownProcess): boolean {
  const now = look(pid)
  return now !== undefined && now.startTime === startTime && now.state !== 'Z' && now.state !== 'X'
}

/** proc_pid_stat(5): the name may hold anything, so the fields count from its closing parenthesis. */
function look(pid: number): (KnownProcess & { state: string; parent: number }) | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, state: fields[0] ?? '', parent: Number(fields[1]), startTime: fields[19] ?? '' }
  } catch {
    return undefined
  }
}
