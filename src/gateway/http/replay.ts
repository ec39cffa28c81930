import type { Clock } from '../../core/clock.ts'

export interface Kept {
  readonly channel: number
  readonly sequence: number
  readonly line: string
  /** Monotonic milliseconds. */
  readonly at: number
  sent: boolean
}

export interface ReplayLimits {
  readonly replayBytes: number
  readonly replayEvents: number
  readonly replayTime: number
}

/**
 * The last events of one session, for a client that comes back for them (`Last-Event-ID`), and for one that is not there yet.
 * Bounded in number, size and age; what goes unsent is reported.
 */
export class Replay {
  readonly #clock: Clock
  readonly #limits: ReplayLimits
  readonly #lost: (line: string) => void
  #kept: Kept[] = []
  #size = 0

  constructor(clock: Clock, limits: ReplayLimits, lost: (line: string) => void) {
    this.#clock = clock
    this.#limits = limits
    this.#lost = lost
  }

  add(channel: number, sequence: number, line: string, sent: boolean): void {
    this.#kept.push({ channel, sequence, line, at: this.#clock.monotonic(), sent })
    this.#size += line.length
    this.#trim()
  }

  /** What one channel carried behind that event, oldest first. */
  after(channel: number, sequence: number): readonly Kept[] {
    this.#trim()
    return this.#kept.filter((kept) => kept.channel === channel && kept.sequence > sequence)
  }

  /** What one channel carries that nobody was sent. */
  unsent(channel: number): readonly Kept[] {
    return this.#kept.filter((kept) => kept.channel === channel && !kept.sent)
  }

  has(channel: number): boolean {
    return this.#kept.some((kept) => kept.channel === channel)
  }

  clear(): void {
    this.#kept = []
    this.#size = 0
  }

  #trim(): void {
    const { replayBytes, replayEvents, replayTime } = this.#limits
    const oldest = this.#clock.monotonic() - replayTime
    let gone = 0
    for (const kept of this.#kept) {
      if (this.#size <= replayBytes && this.#kept.length - gone <= replayEvents && kept.at >= oldest) break
      this.#size -= kept.line.length
      gone += 1
      if (!kept.sent) this.#lost(kept.line)
    }
    if (gone > 0) this.#kept.splice(0, gone)
  }
}
