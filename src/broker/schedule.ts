import type { Clock } from '../core/clock.ts'

interface Task {
  readonly at: number
  run: (() => void) | undefined
}

/** Longest sleep of the one timer: so late at most is a suspended machine noticed after it wakes. */
const longestSleep = 30_000
/** Wall time that ran further than monotonic time by more than this was not spent running: sleep, or a set clock. */
const jump = 1000
const compactAbove = 64

/**
 * Many deadlines on one timer: a binary heap by monotonic time. A suspended machine's monotonic clock stands still, so
 * `onJump` is called when the wall clock has run ahead; what must end by wall time is for the caller to look through.
 */
export class Schedule {
  readonly #clock: Clock
  readonly #onJump: () => void
  #heap: Task[] = []
  #cancelled = 0
  #timer: { readonly at: number; readonly cancel: () => void } | undefined
  #drift: number
  #closed = false

  constructor(clock: Clock, onJump: () => void) {
    this.#clock = clock
    this.#onJump = onJump
    this.#drift = clock.now() - clock.monotonic()
  }

  /** Runs `run` once when the monotonic clock reaches `at`; the returned function cancels it. */
  at(at: number, run: () => void): () => void {
    const task: Task = { at, run }
    this.#heap.push(task)
    this.#rise(this.#heap.length - 1)
    this.#arm()
    return () => this.#cancel(task)
  }

  after(delay: number, run: () => void): () => void {
    return this.at(this.#clock.monotonic() + delay, run)
  }

  /** Cancels everything and takes nothing more. */
  close(): void {
    this.#closed = true
    this.#heap = []
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    const head = this.#heap[0]
    if (head === undefined || this.#closed) return
    const now = this.#clock.monotonic()
    const at = Math.min(head.at, now + longestSleep)
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.cancel()
    this.#timer = { at, cancel: this.#clock.after(Math.max(0, Math.ceil(at - now)), () => this.#wake()) }
  }

  #wake(): void {
    this.#timer = undefined
    this.#watchWall()
    const now = this.#clock.monotonic()
    for (let head = this.#heap[0]; head !== undefined && head.at <= now; head = this.#heap[0]) {
      this.#pop()
      const { run } = head
      if (run === undefined) this.#cancelled -= 1
      head.run = undefined
      run?.()
    }
    this.#arm()
  }

  #watchWall(): void {
    const drift = this.#clock.now() - this.#clock.monotonic()
    const ahead = drift - this.#drift > jump
    this.#drift = drift
    if (ahead) this.#onJump()
  }

  /** A cancelled task keeps its place until its time, unless most of the heap is cancelled. */
  #cancel(task: Task): void {
    if (task.run === undefined) return
    task.run = undefined
    this.#cancelled += 1
    if (this.#cancelled < compactAbove || this.#cancelled * 2 < this.#heap.length) return
    this.#heap = this.#heap.filter((kept) => kept.run !== undefined).sort((one, other) => one.at - other.at)
    this.#cancelled = 0
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #rise(start: number): void {
    for (let index = start; index > 0;) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfEarlier(index, parent)) return
      index = parent
    }
  }

  #sink(start: number): void {
    for (let index = start; ;) {
      const left = index * 2 + 1
      const child = this.#isEarlier(left + 1, left) ? left + 1 : left
      if (!this.#swapIfEarlier(child, index)) return
      index = child
    }
  }

  #isEarlier(index: number, other: number): boolean {
    const one = this.#heap[index]
    const two = this.#heap[other]
    return one !== undefined && two !== undefined && one.at < two.at
  }

  #swapIfEarlier(index: number, other: number): boolean {
    const one = this.#heap[index]
    const two = this.#heap[other]
    if (one === undefined || two === undefined || one.at >= two.at) return false
    this.#heap[index] = two
    this.#heap[other] = one
    return true
  }
}
