import type { Broker } from '../broker/types.ts'
import { JitError, quote } from '../core/errors.ts'
import type { Surroundings } from '../core/types.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Entered } from './builder.ts'
import type { Registry } from './registry.ts'

export interface ChangesDeps extends Surroundings {
  readonly broker: Pick<Broker, 'revoke' | 'leases'>
  readonly gateway: Pick<Gateway, 'stop' | 'restart'>
  readonly registry: Pick<Registry, 'close'>
}

const revokeWithin = 10_000
/** Over the time in which the broker tries a revocation again by itself. */
const retryTime = 15 * 60_000

/**
 * What a new config ends: the lanes of servers that changed or are gone, the leases of providers that did. Everything else
 * goes on undisturbed. What begins here is not waited for, and never throws.
 */
export function endWhatChanged(deps: ChangesDeps, { before, after, retired }: Entered): void {
  const { broker, gateway, registry, clock, log } = deps
  const quietly = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => log.error('change of config not carried out', { error: String(error) }))
  for (const [name, server] of before?.servers ?? []) {
    const now = after.servers.get(name)
    if (now?.digest === server.digest) continue
    if (now !== undefined) quietly(gateway.restart(name, changed(name)))
    else {
      quietly(broker.revoke({ server: name }, 'revoked', revokeWithin))
      quietly(gateway.stop(name, removed(name)))
    }
  }
  for (const one of retired) {
    quietly(
      broker.revoke({ provider: one.name }, 'revoked', revokeWithin).then((receipts) => {
        // What it minted is ended with its own identity: until then that stays in memory, and nowhere else.
        if (receipts.some((receipt) => receipt.outcome === 'pending')) clock.after(retryTime, () => registry.close(one))
        else registry.close(one)
      }),
    )
  }
  // A revocation that failed may have failed for the config that was just corrected.
  for (const { id, state } of broker.leases())
    if (state === 'revoking' || state === 'irrevocable') quietly(broker.revoke({ lease: id }, 'revoked', revokeWithin))
}

function removed(name: string): JitError {
  return new JitError('not-found', `server ${quote(name)} was removed`)
}

function changed(name: string): JitError {
  return new JitError('policy.changed', `the config of server ${quote(name)} changed`)
}
