/** Where time comes from. Tests pass their own; nothing else reads the system's clock. */
export interface Clock {
  /** Wall time in milliseconds since 1970, for display and for what an upstream compares. */
  now(): number
  /** Milliseconds that never run backwards, for lifetimes. */
  monotonic(): number
  /** Runs `callback` once after `delay` milliseconds; the returned function cancels it. Never keeps the process alive. */
  after(delay: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, callback) {
    const timer = setTimeout(callback, Math.max(0, Math.min(delay, 2 ** 31 - 1)))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
