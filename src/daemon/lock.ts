import { closeSync, constants, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openRegular } from '../core/regular-file.ts'
import type { Surroundings } from '../core/types.ts'
import type { MetaTable } from '../store/store.ts'

const retryAfter = 1000

/** Whether jit is locked, kept through restarts in two places: an empty file needs no room on a full disk, a row survives its removal. */
export interface LockState {
  readonly locked: boolean
  /** Never throws: a disk that refuses both is tried again until it takes it. */
  lock(): void
  /** Throws `store.unavailable`; then it stays locked. */
  unlock(): void
}

export function createLockState(deps: Surroundings & { readonly folder: string; readonly meta: MetaTable }): LockState {
  const { meta, clock, log } = deps
  const file = join(deps.folder, 'locked')
  let cancelRetry: (() => void) | undefined
  const attempt = (work: () => void): boolean => {
    try {
      work()
      return true
    } catch (error) {
      log.error('lock not stored', { error: String(error) })
      return false
    }
  }
  const lock = (): void => {
    cancelRetry?.()
    cancelRetry = undefined
    const marked = attempt(() => closeSync(openRegular(file, constants.O_WRONLY | constants.O_CREAT)))
    const stored = attempt(() => meta.set('locked', 'yes'))
    if (!marked && !stored) cancelRetry = clock.after(retryAfter, lock)
  }
  return {
    get locked() {
      return existsSync(file) || meta.get('locked') === 'yes'
    },
    lock,
    unlock() {
      if (meta.get('locked') === 'yes') meta.set('locked', 'no')
      rmSync(file, { force: true })
      cancelRetry?.()
      cancelRetry = undefined
    },
  }
}
