import { newId } from '../../core/ids.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Operation, Principal } from '../../core/types.ts'
import { makeOperation } from '../../policy/operation.ts'
import { Ending } from '../ending.ts'
import type { Id, Message } from '../protocol/jsonrpc.ts'
import type { GatewayDeps } from '../types.ts'

/** A request that policy governs, as it came. */
export interface GovernedRequest {
  readonly id: Id
  readonly method: 'tools/call' | 'resources/read' | 'prompts/get'
  readonly params: JsonObject
}

const governed = new Set(['tools/call', 'resources/read', 'prompts/get'])

export function isGoverned(message: Message & { kind: 'request' }): message is Message & { kind: 'request' } & GovernedRequest {
  return governed.has(message.method)
}

/** The connection that a call came on, as far as the call itself knows it. */
export interface Caller {
  readonly deps: GatewayDeps
  readonly server: string
  readonly connection: string
  readonly principal: Principal
  pin(): string
  /** SHA-256 of the tool's definition as last listed. */
  definition(tool: string): string
  /** Registers a request, to be ended from outside (cancel, disconnect, lock); the returned function forgets it. */
  track(id: Id, ending: Ending): () => void
}

/** One governed request on its way: its id, its operation (arguments frozen, digest made), its principal, and how it is ended. */
export class Call {
  readonly id = newId('call')
  readonly request: GovernedRequest
  readonly operation: Operation
  readonly principal: Principal
  /** Monotonic milliseconds. */
  readonly started: number
  /** Digest of the policy that decides. */
  readonly policy: string
  /** What shaped its server when it was decided: another server's change does not end it. */
  readonly rules: string
  /** Cancelled, revoked, expired, locked, or the server's end. */
  readonly ending = new Ending()
  readonly #untrack: () => void

  constructor(caller: Caller, request: GovernedRequest) {
    this.request = request
    this.operation = operationOf(caller, request)
    this.principal = caller.principal
    this.started = caller.deps.clock.monotonic()
    this.policy = caller.deps.policy().digest
    this.rules = rulesOf(caller)
    this.#untrack = caller.track(request.id, this.ending)
  }

  /** Its request has been answered, and the call goes on. */
  detach(): void {
    this.#untrack()
  }

  /** Nothing ends it any more. */
  done(): void {
    this.#untrack()
    this.ending.unfollow()
  }
}

/** Digest of all that shapes the server of the call, as it is now; empty when there is none any more. */
export function rulesOf({ deps, server }: Pick<Caller, 'deps' | 'server'>): string {
  return deps.policy().servers.get(server)?.digest ?? ''
}

function operationOf(caller: Caller, { method, params }: GovernedRequest): Operation {
  const kind = method === 'tools/call' ? 'tool' : method === 'resources/read' ? 'resource' : 'prompt'
  const name = params[kind === 'resource' ? 'uri' : 'name']
  const args = params['arguments'] ?? {}
  return makeOperation({
    server: caller.server,
    kind,
    name: typeof name === 'string' ? name : '',
    args: kind !== 'resource' && isJsonObject(args) ? args : {},
    definition: typeof name === 'string' && kind === 'tool' ? caller.definition(name) : '',
  })
}
