import type { Lease } from '../../broker/types.ts'
import { JitError } from '../../core/errors.ts'
import type { InFlightCall } from '../../egress/types.ts'
import type { Ending } from '../ending.ts'
import { Lane, type LaneOptions } from './lane.ts'
import type { GatewayDeps } from '../types.ts'
import type { ToolHeaders } from '../protocol/tool-headers.ts'

export interface LanePoolOptions extends Omit<LaneOptions, 'lease' | 'toolHeaders' | 'onTrouble' | 'onEnd'> {
  readonly connection: string
  /** What the server's tools want repeated in headers, for a lane that opens now. */
  toolHeaders(): ToolHeaders
  onPin(pin: string): void
  onLaneEnd(error: JitError): void
}

interface Entry {
  readonly lane: Lane
  /** Mode env: the lease that the child was started for. */
  readonly lease: Lease | undefined
  /** Undefined once it runs. */
  starting: Promise<void> | undefined
}

const madeRoom = 'madeRoom'

/** The request was under way in a lane that jit ended for want of room; the server did nothing wrong. */
export function isForRoom(error: JitError): boolean {
  return error.details[madeRoom] === true
}

/** The lanes of one connection: at most `lanes`, one for each partition; the idle one least used makes room. */
export class LanePool {
  readonly #deps: GatewayDeps
  readonly #options: LanePoolOptions
  readonly #lanes: Entry[] = []
  #queue: (() => void)[] = []
  #closed: JitError | undefined

  constructor(deps: GatewayDeps, options: LanePoolOptions) {
    this.#deps = deps
    this.#options = options
  }

  get all(): readonly Lane[] {
    return this.#lanes.map(({ lane }) => lane)
  }

  isPrimary(lane: Lane): boolean {
    return this.#first()?.lane === lane
  }

  /** The lane for the handshake, for lists and for everything that policy has no say in. It never holds a credential. */
  async primary(ending: Ending): Promise<Lane> {
    if (this.#closed !== undefined) throw this.#closed
    const entry = this.#first() ?? this.#open(undefined, undefined)
    if (entry.starting !== undefined) await unlessAborted(entry.starting, ending.signal)
    return entry.lane
  }

  /**
   * The lane of a partition, with the call on its wire; waits for room and for the call's turn. The caller releases both.
   * `lease`: mode env, where a child is started for it. Throws `server.busy` after `queueTimeout`.
   */
  async take(key: string, lease: Lease | undefined, ending: Ending, call?: InFlightCall): Promise<Lane> {
    const deadline = this.#deps.clock.monotonic() + this.#config().queueTimeout
    for (;;) {
      if (this.#closed !== undefined) throw this.#closed
      ending.throwIfEnded()
      const entry = this.#find(key, lease) ?? this.#makeRoom(key, lease)
      if (entry === undefined) await this.#room(deadline, ending.signal)
      else if (await this.#board(entry, deadline, ending, call)) return entry.lane
    }
  }

  /** What `take` answers when nothing has to be waited for; undefined when it has. */
  takeNow(key: string, lease: Lease | undefined, call?: InFlightCall): Lane | undefined {
    const entry = this.#closed === undefined ? this.#find(key, lease) : undefined
    if (entry === undefined || entry.starting !== undefined || entry.lane.ended) return undefined
    if (call !== undefined && !entry.lane.wire.tryEnter(call)) return undefined
    entry.lane.inUse += 1
    return entry.lane
  }

  /** Keeps a lane that is known; `release` gives it back. */
  hold(lane: Lane): void {
    lane.inUse += 1
  }

  release(lane: Lane, call?: InFlightCall): void {
    if (call !== undefined) lane.wire.leave(call)
    lane.inUse -= 1
    lane.lastUsed = this.#deps.clock.monotonic()
    this.#wake()
  }

  async close(reason: JitError): Promise<void> {
    this.#closed ??= reason
    await this.restart(reason)
  }

  /** Ends every lane; the next call opens others. */
  async restart(reason: JitError): Promise<void> {
    const lanes = this.#lanes.splice(0)
    this.#wake()
    await Promise.all(lanes.map(({ lane }) => lane.close(reason)))
  }

  /** False when the lane ended while the call waited: nothing was sent, so another lane may have it. */
  async #board({ lane, starting }: Entry, deadline: number, ending: Ending, call: InFlightCall | undefined): Promise<boolean> {
    lane.inUse += 1
    try {
      if (starting !== undefined) await unlessAborted(starting, ending.signal)
      if (call !== undefined) await lane.wire.enter(call, deadline - this.#deps.clock.monotonic(), ending)
    } catch (error) {
      this.release(lane)
      throw error
    }
    if (!lane.ended) return true
    this.release(lane, call)
    return false
  }

  /** The oldest lane that was not started for a lease. */
  #first(): Entry | undefined {
    return this.#lanes.find(({ lease }) => lease === undefined)
  }

  #find(key: string, lease: Lease | undefined): Entry | undefined {
    const known = this.#lanes.find((entry) => entry.lane.key === key && entry.lease?.id === lease?.id)
    if (known !== undefined || lease !== undefined) return known
    const fresh = this.#lanes.find(({ lane }) => lane.key === undefined)
    if (fresh !== undefined) fresh.lane.key = key
    return fresh
  }

  /** In mode env the lane of the handshake and the lists comes on top: no call can run in it. */
  #makeRoom(key: string, lease: Lease | undefined): Entry | undefined {
    if (this.#lanes.length >= this.#config().lanes + (lease === undefined ? 0 : 1)) {
      const idle = this.#lanes
        .filter(({ lane }) => lane.inUse === 0 && lane.key !== undefined)
        .sort((left, right) => left.lane.pending - right.lane.pending || left.lane.lastUsed - right.lane.lastUsed)[0]
      if (idle === undefined) return undefined
      this.#lanes.splice(this.#lanes.indexOf(idle), 1)
      void idle.lane.close(
        new JitError('server.unavailable', 'the lane made room for another partition', { details: { [madeRoom]: true } }),
      )
    }
    return this.#open(key, lease)
  }

  #open(key: string | undefined, lease: Lease | undefined): Entry {
    const lane = new Lane(this.#deps, {
      ...this.#options,
      lease,
      toolHeaders: this.#options.toolHeaders(),
      onTrouble: (error) => this.#options.onLaneEnd(error),
      onEnd: (_, error) => this.#ended(entry, error),
    })
    lane.key = key
    lease?.signal.addEventListener('abort', () => void lane.close(lease.signal.reason), { once: true })
    const starting = lane.start().then(
      ({ pin }) => {
        entry.starting = undefined
        this.#options.onPin(pin)
      },
      (error: unknown) => {
        void lane.close(error instanceof JitError ? error : new JitError('server.unavailable', 'it did not start'))
        throw error
      },
    )
    starting.catch(() => undefined)
    const entry: Entry = { lane, lease, starting }
    this.#lanes.push(entry)
    this.#wake()
    return entry
  }

  #ended(entry: Entry, error: JitError): void {
    const index = this.#lanes.indexOf(entry)
    if (index === -1) return
    this.#lanes.splice(index, 1)
    // The end of its lease is no fault of the server.
    if (error.code.startsWith('server.')) this.#options.onLaneEnd(error)
    this.#wake()
  }

  /** All of them: what became free may serve several, and not the first. They look in the order in which they came. */
  #wake(): void {
    const queue = this.#queue
    this.#queue = []
    for (const go of queue) go()
  }

  #room(deadline: number, signal: AbortSignal): Promise<void> {
    const wait = deadline - this.#deps.clock.monotonic()
    if (wait <= 0) throw this.#busy()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        cancel()
        signal.removeEventListener('abort', abort)
      }
      const go = (): void => {
        leave()
        resolve()
      }
      const abort = (): void => {
        leave()
        this.#queue = this.#queue.filter((other) => other !== go)
        reject(signal.reason)
      }
      const cancel = this.#deps.clock.after(wait, () => {
        this.#queue = this.#queue.filter((other) => other !== go)
        go()
      })
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

function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
