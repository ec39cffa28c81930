import type { JitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Scrubber } from '../core/scrub.ts'
import type { Operation, Principal } from '../core/types.ts'
import { makeOperation } from '../policy/operation.ts'
import type { Id } from './jsonrpc.ts'
import type { LanePool } from './lanes.ts'
import type { GatewayDeps } from './types.ts'

/** A request that policy governs, as it came. */
export interface GovernedRequest {
  readonly id: Id
  readonly method: 'tools/call' | 'resources/read' | 'prompts/get'
  readonly params: JsonObject
}

/** What the steps of a call need of the connection that it came on. */
export interface CallContext {
  readonly deps: GatewayDeps
  readonly server: string
  readonly connection: string
  readonly principal: Principal
  readonly lanes: LanePool
  pin(): string
  /** SHA-256 of the tool's definition as last listed. */
  definition(tool: string): string
  scrubber(): Scrubber
  /** Registers how to end a call from outside (cancel, disconnect, lock); the answer forgets it. */
  track(id: Id, abort: (reason: JitError) => void): () => void
  answer(id: Id, line: string): void
  /** The client does not want an answer any more. */
  forget(id: Id): void
}

export interface Call {
  readonly id: string
  readonly request: GovernedRequest
  readonly operation: Operation
  readonly principal: Principal
  readonly started: number
  readonly policy: string
  /** What shaped its server when it was decided: another server's change does not end it. */
  readonly rules: string
  /** Aborts with a JitError: cancelled, revoked, expired, locked, or the server's end. */
  readonly signal: AbortSignal
  endWith(signal: AbortSignal): void
  /** No more abort reaches the call. */
  done(): void
}

/** Gives the request its id, its operation (arguments frozen, digest made) and its principal. */
export function identify(context: CallContext, request: GovernedRequest): Call {
  const abort = new AbortController()
  const untrack = context.track(request.id, (reason) => abort.abort(reason))
  let leased: AbortSignal | undefined
  const follow = (): void => abort.abort(leased?.reason)
  return {
    id: newId('call'),
    request,
    operation: operationOf(context, request),
    principal: context.principal,
    started: context.deps.clock.monotonic(),
    policy: context.deps.policy().digest,
    rules: rulesOf(context),
    signal: abort.signal,
    endWith(signal) {
      leased = signal
      if (signal.aborted) follow()
      else signal.addEventListener('abort', follow, { once: true })
    },
    done() {
      untrack()
      leased?.removeEventListener('abort', follow)
    },
  }
}

/** Digest of all that shapes the server of the call, as it is now; empty when there is none any more. */
export function rulesOf({ deps, server }: CallContext): string {
  return deps.policy().servers.get(server)?.digest ?? ''
}

function operationOf(context: CallContext, { method, params }: GovernedRequest): Operation {
  const kind = method === 'tools/call' ? 'tool' : method === 'resources/read' ? 'resource' : 'prompt'
  const name = params[kind === 'resource' ? 'uri' : 'name']
  const args = params['arguments'] ?? {}
  return makeOperation({
    server: context.server,
    kind,
    name: typeof name === 'string' ? name : '',
    args: kind !== 'resource' && isJsonObject(args) ? args : {},
    definition: typeof name === 'string' && kind === 'tool' ? context.definition(name) : '',
  })
}
