import type { InFlightCall } from '../../egress/types.ts'
import type { Lane } from '../lane/lane.ts'
import type { LanePool } from '../lane/lanes.ts'

/** A call's place in its lane and on that lane's wire. */
export class Passage {
  readonly lane: Lane
  readonly #lanes: LanePool
  #wire: InFlightCall | undefined
  #left = false

  constructor(lanes: LanePool, lane: Lane, wire: InFlightCall | undefined) {
    this.#lanes = lanes
    this.lane = lane
    this.#wire = wire
  }

  /** Whether what the call was decided by is as it was then. */
  get isCurrent(): boolean {
    return this.#wire?.current() !== false
  }

  /** From here on nothing of the lane is taken for the call's; the lane stays. */
  leaveWire(): void {
    if (this.#wire !== undefined) this.lane.wire.leave(this.#wire)
    this.#wire = undefined
  }

  leave(): void {
    if (this.#left) return
    this.#left = true
    this.#lanes.release(this.lane, this.#wire)
  }
}
