import type { Clock } from '../../core/clock.ts'
import type { Ending } from '../ending.ts'
import { ToolHeaders } from '../protocol/tool-headers.ts'

export interface KnownToolsDeps {
  readonly clock: Clock
  policy(): { readonly servers: ReadonlyMap<string, { readonly digest: string }> }
}

interface Known {
  readonly rules: string
  readonly headers: ToolHeaders
  /** The list that jit asks for by itself. */
  listing: Promise<void> | undefined
  /** Monotonic milliseconds from which on it asks again. */
  askFrom: number
}

/** A server that does not list a tool, or nothing at all, is not asked for it with each call. In milliseconds. */
const pause = 10_000

/**
 * What servers' tools want repeated in headers, by server: a client of 2026-07-28 may call a tool that it knows from a list of another
 * connection. The same list is everyone's: remote servers are asked for it with the credential of `startup:`, and what policy hides is
 * taken out later. What one client has a server list says nothing but where arguments are repeated in what goes to that same server.
 * What a list of one config said does not outlive that.
 */
export class KnownTools {
  readonly #deps: KnownToolsDeps
  readonly #servers = new Map<string, Known>()

  constructor(deps: KnownToolsDeps) {
    this.#deps = deps
  }

  of(server: string): ToolHeaders {
    return this.#known(server).headers
  }

  /**
   * Has the tools of a server listed by `list`, unless the tool is known or the server was asked a moment ago; whoever comes meanwhile
   * waits for that one. `list` answers false when it was given up for no fault of the server, and never rejects. Returns early when
   * `ending` ends.
   */
  async learn(server: string, tool: string, ending: Ending, list: () => Promise<boolean>): Promise<void> {
    const known = this.#known(server)
    let isMine = false
    while (!isMine && ending.reason === undefined && known.headers.wantedBy(tool) === undefined) {
      if (known.listing === undefined) {
        if (this.#deps.clock.monotonic() < known.askFrom) return
        isMine = true
        known.listing = list().then((isOver) => {
          known.listing = undefined
          if (isOver) known.askFrom = this.#deps.clock.monotonic() + pause
        })
      }
      await unlessEnded(known.listing, ending)
    }
  }

  /** What is known of the tool is wrong. Where that was asked for a moment ago the fault is elsewhere. */
  unlearn(server: string, tool: string): void {
    const known = this.#known(server)
    if (this.#deps.clock.monotonic() >= known.askFrom) known.headers.forget(tool)
  }

  #known(server: string): Known {
    const { servers } = this.#deps.policy()
    const rules = servers.get(server)?.digest ?? ''
    const known = this.#servers.get(server)
    if (known?.rules === rules) return known
    for (const name of this.#servers.keys()) if (!servers.has(name)) this.#servers.delete(name)
    const made: Known = { rules, headers: new ToolHeaders(), listing: undefined, askFrom: 0 }
    this.#servers.set(server, made)
    return made
  }
}

function unlessEnded(work: Promise<void>, ending: Ending): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => resolve()
    ending.on(end)
    void work.then(() => {
      ending.off(end)
      resolve()
    })
  })
}
