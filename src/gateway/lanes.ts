import type { Lease } from '../broker/types.ts'
import { JitError } from '../core/errors.ts'
import { Lane, type LaneOptions } from './lane.ts'
import type { GatewayDeps } from './types.ts'

export interface LanePoolOptions extends Omit<LaneOptions, 'lease' | 'onEnd'> {
  readonly connection: string
  onPin(pin: string): void
  onLaneEnd(error: JitError): void
}

/** The lanes of one connection: at most `lanes`, one for each partition; the idle one least used makes room. */
export class LanePool {
  readonly #deps: GatewayDeps
  readonly #options: LanePoolOptions
  readonly #lanes: { lane: Lane; ready: Promise<unknown> }[] = []
  readonly #queue: (() => void)[] = []

  constructor(deps: GatewayDeps, options: LanePoolOptions) {
    this.#deps = deps
    this.#options = options
  }

  get all(): readonly Lane[] {
    return this.#lanes.map(({ lane }) => lane)
  }

  isPrimary(lane: Lane): boolean {
    return this.#lanes[0]?.lane === lane
  }

  /** The lane for the handshake, for lists and for everything that policy has no say in. */
  async primary(signal: AbortSignal): Promise<Lane> {
    const [first] = this.#lanes
    const entry = first ?? this.#open(undefined, undefined, signal)
    await entry.ready
    return entry.lane
  }

  /** The lane of a partition; waits for room. The caller releases it. `lease`: mode env, where a child is started for it. */
  async take(key: string, lease: Lease | undefined, signal: AbortSignal): Promise<Lane> {
    const deadline = this.#deps.clock.monotonic() + this.#config().queueTimeout
    for (;;) {
      const entry = this.#find(key, lease) ?? this.#makeRoom(key, lease, signal)
      if (entry !== undefined) {
        entry.lane.inUse += 1
        try {
          await entry.ready
          return entry.lane
        } catch (error) {
          this.release(entry.lane)
          throw error
        }
      }
      const left = deadline - this.#deps.clock.monotonic()
      if (left <= 0) throw this.#busy()
      await this.#room(left, signal)
    }
  }

  release(lane: Lane): void {
    lane.inUse -= 1
    lane.lastUsed = this.#deps.clock.monotonic()
    this.#queue.shift()?.()
  }

  async close(reason: JitError): Promise<void> {
    await Promise.all(this.#lanes.splice(0).map(({ lane }) => lane.close(reason)))
  }

  #find(key: string, lease: Lease | undefined): { lane: Lane; ready: Promise<unknown> } | undefined {
    const known = this.#lanes.find(({ lane }) => lane.key === key)
    if (known !== undefined || lease !== undefined) return known
    const fresh = this.#lanes.find(({ lane }) => lane.key === undefined)
    if (fresh !== undefined) fresh.lane.key = key
    return fresh
  }

  #makeRoom(key: string, lease: Lease | undefined, signal: AbortSignal): { lane: Lane; ready: Promise<unknown> } | undefined {
    if (this.#lanes.length >= this.#config().lanes + (lease === undefined ? 0 : 1)) {
      const idle = this.#lanes
        .filter(({ lane }) => lane.inUse === 0 && lane.key !== undefined)
        .sort((left, right) => left.lane.lastUsed - right.lane.lastUsed)[0]
      if (idle === undefined) return undefined
      this.#lanes.splice(this.#lanes.indexOf(idle), 1)
      void idle.lane.close(new JitError('server.unavailable', 'the lane made room for another partition'))
    }
    return this.#open(key, lease, signal)
  }

  #open(key: string | undefined, lease: Lease | undefined, signal: AbortSignal): { lane: Lane; ready: Promise<unknown> } {
    const lane = new Lane(this.#deps, {
      ...this.#options,
      lease,
      onEnd: (ended, error) => {
        const index = this.#lanes.findIndex((entry) => entry.lane === ended)
        if (index === -1) return
        this.#lanes.splice(index, 1)
        this.#options.onLaneEnd(error)
        this.#queue.shift()?.()
      },
    })
    lane.key = key
    lease?.signal.addEventListener('abort', () => void lane.close(lease.signal.reason), { once: true })
    const ready = lane.start(signal).then(
      ({ pin }) => this.#options.onPin(pin),
      (error: unknown) => {
        const index = this.#lanes.findIndex((entry) => entry.lane === lane)
        if (index !== -1) this.#lanes.splice(index, 1)
        void lane.close(new JitError('server.unavailable', 'it did not start'))
        throw error
      },
    )
    ready.catch(() => undefined)
    const entry = { lane, ready }
    this.#lanes.push(entry)
    return entry
  }

  #room(wait: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        cancel()
        signal.removeEventListener('abort', abort)
        const index = this.#queue.indexOf(go)
        if (index !== -1) this.#queue.splice(index, 1)
      }
      const go = (): void => {
        leave()
        resolve()
      }
      const abort = (): void => {
        leave()
        reject(signal.reason)
      }
      const cancel = this.#deps.clock.after(wait, go)
      signal.addEventListener('abort', abort, { once: true })
      this.#queue.push(go)
    })
  }

  #busy(): JitError {
    const holders = this.#lanes.map(({ lane }) => lane.key ?? '').join(', ')
    return new JitError('server.busy', `all ${this.#config().lanes} lanes of server ${this.#options.server} are busy with ${holders}`)
  }

  #config(): { lanes: number; queueTimeout: number } {
    return this.#deps.config().servers[this.#options.server] ?? { lanes: 1, queueTimeout: 0 }
  }
}
