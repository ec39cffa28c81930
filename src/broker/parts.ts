import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/types.ts'
import type { Sealing } from './credential.ts'
import type { Ender } from './ender.ts'
import type { HeldLeases } from './held-leases.ts'
import type { Ledger } from './ledger.ts'
import type { LiveSecrets } from './secrets.ts'

/** What each piece of work that makes a lease, or puts one back, works with. */
export interface BrokerParts {
  readonly ledger: Ledger
  readonly held: HeldLeases
  readonly ender: Ender
  readonly secrets: LiveSecrets
  readonly sealer: Sealing
  readonly audit: Pick<AuditSink, 'append'>
  readonly clock: Clock
  readonly log: Logger
}
