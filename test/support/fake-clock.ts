import type { Clock } from '../../src/core/clock.ts'

interface Timer {
  readonly at: number
  readonly run: () => void
}

/** A clock that a test moves by hand. Timers run in order of their time; work that they start gets its turn in between. */
export class FakeClock implements Clock {
  #wall: number
  #monotonic = 1000
  readonly #timers = new Set<Timer>()

  constructor(wall = Date.UTC(2026, 10, 21, 9)) {
    this.#wall = wall
  }

  now(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  after(delay: number, callback: () => void): () => void {
    const timer: Timer = { at: this.#monotonic + Math.max(0, delay), run: callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Moves both clocks by `milliseconds`, timer by timer, and lets promises settle after each. */
  async advance(milliseconds: number): Promise<void> {
    const target = this.#monotonic + milliseconds
    await settle()
    for (let timer = this.#next(target); timer !== undefined; timer = this.#next(target)) {
      this.#step(timer.at - this.#monotonic)
      this.#timers.delete(timer)
      timer.run()
      await settle()
    }
    this.#step(target - this.#monotonic)
    await settle()
  }

  /** The wall clock alone: somebody set it, or the machine slept (no timer runs in its sleep). */
  jumpWall(milliseconds: number): void {
    this.#wall += milliseconds
  }

  /** Timers that would still run: a test of clean endings wants none. */
  get pending(): number {
    return this.#timers.size
  }

  #next(target: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) if (timer.at <= target && (first === undefined || timer.at < first.at)) first = timer
    return first
  }

  #step(milliseconds: number): void {
    const forward = Math.max(0, milliseconds)
    this.#monotonic += forward
    this.#wall += forward
  }
}

/** Lets every promise that can settle now do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
