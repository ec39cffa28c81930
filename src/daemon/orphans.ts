import type { Logger } from '../core/types.ts'
import type { ChildTable } from '../store/store.ts'
import { startTimeOf } from '../gateway/upstream/stdio.ts'

/** Ends the children that a dead daemon left; a pid that was given to another process since is left alone. */
export function endOrphans(children: ChildTable, log: Logger): number {
  let ended = 0
  for (const row of children.all()) {
    const same = row.startTime === 0 || startTimeOf(row.pid) === row.startTime
    if (same) {
      try {
        process.kill(-row.processGroup, 'SIGKILL')
        ended += 1
        log.info('child of the dead daemon ended', { server: row.server, pid: row.pid })
      } catch {
        // It ended by itself.
      }
    }
    children.remove(row.pid)
  }
  return ended
}
