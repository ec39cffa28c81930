import { LiveSearch } from '../core/live-search.ts'
import type { Secret } from '../core/secret.ts'
import type { Clock } from '../core/clock.ts'
import type { Credential } from '../provider/contract.ts'
import { secretParts } from './credential.ts'
import type { Schedule } from './schedule.ts'

/** How long a dead secret is still removed from late answers. */
const scrubAfterDeath = 600_000
/** Longest that a credential which nobody could revoke is remembered for scrubbing. */
const longestMemory = 86_400_000

/** Every secret that is alive or died lately, for scrubbing. `version` changes with the set. */
export class LiveSecrets {
  /** What looks for them. */
  readonly search = new LiveSearch(this)
  readonly #clock: Clock
  readonly #schedule: Schedule
  readonly #secrets = new Set<Secret>()
  #list: readonly Secret[] | undefined
  #version = 0
  #isPreparing = false

  constructor(clock: Clock, schedule: Schedule) {
    this.#clock = clock
    this.#schedule = schedule
  }

  get version(): number {
    return this.#version
  }

  get list(): readonly Secret[] {
    this.#list ??= [...this.#secrets]
    return this.#list
  }

  learn(credential: Credential): void {
    for (const secret of secretParts(credential)) this.#secrets.add(secret)
    this.#changed()
    // What learns of them by then does so while the credential is being sealed, and not when the first answer waits for it.
    if (!this.#isPreparing) setImmediate(this.#prepare)
    this.#isPreparing = true
  }

  /** The credential is over; `validUntil` (ms since 1970) when the upstream may still accept it. */
  forget(credential: Credential, validUntil: number): void {
    const remaining = Math.min(Math.max(validUntil - this.#clock.now(), 0), longestMemory)
    this.#schedule.after(Math.max(remaining, scrubAfterDeath), () => {
      for (const secret of secretParts(credential)) this.#secrets.delete(secret)
      this.#changed()
    })
  }

  readonly #prepare = (): void => {
    this.#isPreparing = false
    this.search.prepare()
  }

  #changed(): void {
    this.#version += 1
    this.#list = undefined
  }
}
