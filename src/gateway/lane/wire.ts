import type { ServerConfig } from '../../config/schema.ts'
import { JitError } from '../../core/errors.ts'
import type { InFlightCall, LaneNetwork } from '../../egress/types.ts'
import type { Ending } from '../ending.ts'
import { beginStartup, type Startup } from '../inject/startup.ts'
import { Turns } from './turns.ts'
import type { GatewayDeps, StandIn } from '../types.ts'

export interface WireOptions {
  readonly server: string
  readonly lane: string
  /** What ends a start that takes too long. */
  readonly ending: Ending
  /** Why the lane has ended; undefined before. */
  ended(): JitError | undefined
}

/** One lane's way to its upstream, and the calls that may be on it. Without a network every call may, and none has an effect. */
export class Wire {
  readonly #deps: GatewayDeps
  readonly #options: WireOptions
  readonly #turns: Turns
  readonly #calls: { readonly call: InFlightCall; readonly end: () => void }[] = []
  #network: LaneNetwork | undefined
  #startup: Startup | undefined

  constructor(deps: GatewayDeps, options: WireOptions) {
    this.#deps = deps
    this.#options = options
    this.#turns = new Turns(deps.clock, options.server)
  }

  /** Undefined until `open`. */
  get network(): LaneNetwork | undefined {
    return this.#network
  }

  /**
   * Opens the network, with what the server may do before any call; `doors` is a folder for the sockets of a child that has no
   * other network. Throws the lane's reason when that ends meanwhile.
   */
  async open({ inject, open }: ServerConfig, { placeholder, origin, authentication }: StandIn, doors?: string): Promise<void> {
    const { server, lane } = this.#options
    const compiled = this.#deps.policy().servers.get(server)
    if (compiled === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)}`)
    const endpoint = inject.mode === 'endpoint' ? { upstream: origin, prefix: inject.prefix ?? '' } : undefined
    const network = await this.#deps.egress.openLane({
      lane,
      server,
      placeholder,
      authentication,
      origins: compiled.origins,
      open: new Set(open),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(doors === undefined ? {} : { doors }),
    })
    const ended = this.#options.ended()
    if (ended !== undefined) {
      network.close()
      throw ended
    }
    this.#network = network
    await this.#beginStartup()
  }

  /** Puts the call on the wire once no other could be taken for it. Throws `server.busy` after `wait` milliseconds. */
  async enter(call: InFlightCall, wait: number, ending: Ending): Promise<void> {
    if (this.tryEnter(call)) return
    await this.#turns.wait(call, wait, ending.signal)
    this.#begin(call)
  }

  /** The same where nothing has to be waited for; false when it has. */
  tryEnter(call: InFlightCall): boolean {
    if (this.#network === undefined) return true
    if (!this.#turns.tryEnter(call)) return false
    this.#begin(call)
    return true
  }

  leave(call: InFlightCall): void {
    const place = this.#calls.findIndex((one) => one.call === call)
    for (const { end } of place === -1 ? [] : this.#calls.splice(place, 1)) end()
    this.#turns.leave(call)
  }

  /** What the server may do outside of its calls ends. */
  endStartup(): void {
    const startup = this.#startup
    if (startup === undefined) return
    this.#startup = undefined
    this.leave(startup.call)
    startup.end()
  }

  close(): void {
    this.endStartup()
    this.#network?.close()
  }

  async #beginStartup(): Promise<void> {
    const { server, lane, ending } = this.#options
    const startup = await beginStartup(this.#deps, server, lane, ending.signal)
    if (startup === undefined) return
    this.#startup = startup
    const ended = this.#options.ended()
    if (ended !== undefined) {
      this.endStartup()
      throw ended
    }
    await this.enter(startup.call, 0, ending)
  }

  #begin(call: InFlightCall): void {
    if (this.#network !== undefined) this.#calls.push({ call, end: this.#network.begin(call) })
  }
}
