import type { Lease } from '../broker/types.ts'
import type { JsonObject } from '../core/json.ts'
import type { Permission } from '../core/types.ts'
import { JitError } from '../core/errors.ts'
import { type Call, type CallContext, rulesOf } from './call.ts'
import type { Trail } from './record.ts'

/**
 * inject and forward: takes the lane of the call's partition, registers the call with egress while it runs, and sends the
 * server what policy saw: the frozen arguments, serialised anew.
 */
export async function forward(
  context: CallContext,
  call: Call,
  permission: Permission,
  lease: Lease | undefined,
  trail: Trail,
): Promise<{ line: string; value: JsonObject }> {
  const { lanes } = context
  const lane = await lanes.take(partitionOf(context, permission, lease), injectsAtStart(context) ? lease : undefined, call.signal)
  const end =
    lease === undefined || lane.network === undefined || permission.grant.credential === 'none'
      ? undefined
      : lane.network.begin({
          call: call.id,
          lease,
          requests: permission.grant.requests,
          current: () => rulesOf(context) === call.rules && context.definition(call.operation.name) === call.operation.definition,
          seen: new Map(),
          onRequest: (request) => trail.requested(request),
        })
  try {
    if (rulesOf(context) !== call.rules) throw new JitError('policy.changed', 'the policy changed while this call waited')
    return await lane.request(call.request.id, governedLine(call), call.signal)
  } finally {
    end?.()
    lanes.release(lane)
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

/** In mode env a child belongs to one lease; otherwise to one partition, or to all with `isolation: none`. */
function partitionOf(context: CallContext, permission: Permission, lease: Lease | undefined): string {
  if (context.deps.config().servers[context.server]?.isolation === 'none') return 'all'
  if (lease === undefined || permission.grant.credential === 'none') return 'none'
  return injectsAtStart(context) ? lease.id : lease.partition
}

function injectsAtStart({ deps, server }: CallContext): boolean {
  return deps.config().servers[server]?.inject.mode === 'env'
}
