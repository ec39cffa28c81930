import type { Daemon } from './types.ts'

/** Milliseconds until a store that refused is tried again. */
const retryEvery = 250

/**
 * Stores that jit is locked, so that a restart finds it locked. A store that refuses (a full disk) is tried again until it
 * takes it or somebody unlocks: locking itself never waits for it.
 */
export function storeLock(daemon: Pick<Daemon, 'broker' | 'store' | 'clock' | 'log'>): void {
  if (!daemon.broker.locked) return
  try {
    daemon.store.meta.set('locked', 'yes')
  } catch (error) {
    daemon.log.error('lock not stored yet', { error: String(error) })
    daemon.clock.after(retryEvery, () => storeLock(daemon))
  }
}
