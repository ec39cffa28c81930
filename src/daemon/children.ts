import type { Surroundings } from '../core/types.ts'
import type { ChildTable } from '../store/store.ts'

const retryAfter = 1000

/**
 * The store's table of children, for a disk that may refuse. A child that cannot be recorded is ended at once: nobody would
 * end it if the daemon died. One that has ended is removed as soon as the disk takes it; `remove` never throws.
 */
export function createChildren(table: ChildTable, { clock, log }: Surroundings): ChildTable {
  const gone = new Set<number>()
  let cancelRetry: (() => void) | undefined

  const removeAll = (): void => {
    cancelRetry?.()
    cancelRetry = undefined
    try {
      for (const pid of gone) {
        table.remove(pid)
        gone.delete(pid)
      }
    } catch (error) {
      log.warn('ended child not removed from the store', { error: String(error) })
      cancelRetry = clock.after(retryAfter, removeAll)
    }
  }
  return {
    add(row) {
      try {
        table.add(row)
        gone.delete(row.pid)
      } catch (error) {
        killGroup(row.processGroup)
        throw error
      }
    },
    remove(pid) {
      gone.add(pid)
      removeAll()
    },
    all: () => table.all().filter((row) => !gone.has(row.pid)),
  }
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
