import type { UpstreamRequest } from '../../audit/event.ts'
import type { Lease } from '../../broker/types.ts'
import { JitError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Permission, RequestRule } from '../../core/types.ts'
import type { InFlightCall } from '../../egress/types.ts'
import { type Call, rulesOf } from './call.ts'
import type { CallContext } from './context.ts'
import type { Holding } from './holding.ts'
import { Passage } from './passage.ts'
import { isSessionLost } from '../upstream/lost-session.ts'
import { isCredentialNotTaken } from '../upstream/not-taken.ts'
import type { Trail } from './record.ts'
import type { Outgoing } from '../upstream/upstream.ts'

interface Answer {
  readonly line: string
  readonly value: JsonObject
}

/** inject: takes the lane of the call's partition, and registers the call with egress until the passage is left. */
async function board(context: CallContext, call: Call, permission: Permission, lease: Lease | undefined, trail: Trail): Promise<Passage> {
  const { lanes } = context
  const partition = partitionOf(context, permission, lease)
  const startedFor = injectsAtStart(context) ? lease : undefined
  const wire =
    lease === undefined || permission.grant.credential === 'none'
      ? undefined
      : new OnWire(context, call, lease, permission.grant.requests, trail)
  const lane = lanes.takeNow(partition, startedFor, wire) ?? (await lanes.take(partition, startedFor, call.ending, wire))
  return new Passage(lanes, lane, wire)
}

interface Sent {
  readonly passage: Passage
  readonly answer: Answer
}

/**
 * Both, and once more where a remote server turned the call away unread: in a new session where it had forgotten the one before,
 * with a new credential where it did not take the first. The caller leaves the passage.
 */
export async function send(context: CallContext, call: Call, permission: Permission, holding: Holding, trail: Trail): Promise<Sent> {
  let attempt: 'first' | 'again' = 'first'
  let isSessionNew = false
  for (;;) {
    let passage: Passage | undefined
    try {
      passage = await board(context, call, permission, holding.lease, trail)
      return { passage, answer: await forward(context, call, passage, trail, { call: attempt, lease: holding.lease }) }
    } catch (error) {
      passage?.leave()
      if (attempt === 'first' && isCredentialNotTaken(error)) {
        attempt = 'again'
        await holding.renew()
      } else if (!isSessionNew && isSessionLost(error)) isSessionNew = true
      else throw error
    }
  }
}

/** forward: sends the server what policy saw, the frozen arguments, serialised anew. */
async function forward(
  context: CallContext,
  call: Call,
  passage: Passage,
  trail: Trail,
  travels: Pick<Outgoing, 'call' | 'lease'>,
): Promise<Answer> {
  // A lease would have ended the call; one without has only this.
  if (context.deps.broker.locked) throw new JitError('locked', 'jit was locked while this call waited')
  if (rulesOf(context) !== call.rules) throw new JitError('policy.changed', 'the policy changed while this call waited')
  if (isRemote(context) && !passage.isCurrent) throw new JitError('policy.changed', 'the tool changed since the decision')
  return passage.lane.request(call.request.id, governedLine(call), call.ending, {
    ...travels,
    onRequest: (request) => trail.requested(request),
    isCurrent: () => passage.isCurrent,
  })
}

/** The call as egress knows it while it runs. */
class OnWire implements InFlightCall {
  readonly call: string
  readonly lease: Lease
  readonly requests: readonly RequestRule[]
  readonly #context: CallContext
  readonly #call: Call
  readonly #trail: Trail
  #seen: Map<string, string> | undefined

  constructor(context: CallContext, call: Call, lease: Lease, requests: readonly RequestRule[], trail: Trail) {
    this.call = call.id
    this.lease = lease
    this.requests = requests
    this.#context = context
    this.#call = call
    this.#trail = trail
  }

  get seen(): Map<string, string> {
    this.#seen ??= new Map()
    return this.#seen
  }

  current(): boolean {
    const { rules, operation } = this.#call
    return rulesOf(this.#context) === rules && this.#context.definition(operation.name) === operation.definition
  }

  onRequest(request: UpstreamRequest): void {
    this.#trail.requested(request)
  }
}

/** What policy decided on and nothing else: keys that it did not see do not travel, but for `_meta` and the protocol's own. */
function governedLine({ request, operation }: Call): string {
  const params =
    operation.kind === 'resource'
      ? request.params
      : { ...request.params, name: operation.name, ...('arguments' in request.params ? { arguments: operation.args } : {}) }
  return JSON.stringify({ jsonrpc: '2.0', id: request.id, method: request.method, params })
}

/** In modes env and credentials a child belongs to one lease; otherwise to one partition, or to all with `isolation: none`. */
function partitionOf(context: CallContext, permission: Permission, lease: Lease | undefined): string {
  if (context.deps.config().servers[context.server]?.isolation === 'none') return 'all'
  if (lease === undefined || permission.grant.credential === 'none') return 'none'
  return injectsAtStart(context) ? lease.id : lease.partition
}

/** Where this request is the one that carries the credential: nothing behind it looks again. */
function isRemote({ deps, server }: CallContext): boolean {
  return deps.config().servers[server]?.url !== undefined
}

function injectsAtStart({ deps, server }: CallContext): boolean {
  const mode = deps.config().servers[server]?.inject.mode
  return mode === 'env' || mode === 'credentials'
}
