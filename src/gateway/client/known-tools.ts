import type { GatewayDeps } from '../types.ts'
import { ToolHeaders } from '../upstream/http/tool-headers.ts'

/**
 * What remote servers' tools want repeated in headers, by server: a client of 2026-07-28 may call a tool that it knows from a list of
 * another connection. The same list is everyone's: servers are asked for it with the credential of `startup:`, and what policy hides is
 * taken out later. What a list of one config said does not outlive that.
 */
export class KnownTools {
  readonly #deps: Pick<GatewayDeps, 'policy'>
  readonly #servers = new Map<string, { readonly rules: string; readonly headers: ToolHeaders }>()

  constructor(deps: Pick<GatewayDeps, 'policy'>) {
    this.#deps = deps
  }

  of(server: string): ToolHeaders {
    const { servers } = this.#deps.policy()
    const rules = servers.get(server)?.digest ?? ''
    const known = this.#servers.get(server)
    if (known?.rules === rules) return known.headers
    for (const name of this.#servers.keys()) if (!servers.has(name)) this.#servers.delete(name)
    const headers = new ToolHeaders()
    this.#servers.set(server, { rules, headers })
    return headers
  }
}
