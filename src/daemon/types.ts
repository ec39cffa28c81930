import type { Approvals } from '../approval/types.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Broker } from '../broker/types.ts'
import type { Paths, PresetSource } from '../config/types.ts'
import type { Surroundings } from '../core/types.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Sessions } from '../identity/sessions.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { Proposals } from '../selfservice/proposals.ts'
import type { Sealer } from '../store/sealer.ts'
import type { Store } from '../store/store.ts'
import type { Configuration } from './configuration.ts'
import type { Hardening } from './guard.ts'
import type { Http } from './http.ts'
import type { Launcher } from './launch.ts'
import type { LockState } from './lock.ts'
import type { Registry } from './registry.ts'
import type { Signing } from './signing.ts'
import type { Vault } from './vault.ts'

/** The running parts, as the routes see them. */
export interface Daemon extends Surroundings {
  readonly startedAt: number
  readonly paths: Paths
  readonly store: Store
  readonly sealer: Sealer
  readonly audit: AuditLog
  readonly presets: PresetSource
  readonly configuration: Configuration
  readonly proposals: Proposals
  readonly approvals: Approvals
  readonly broker: Broker
  readonly lock: LockState
  readonly signing: Signing
  readonly registry: Registry
  readonly vault: Vault
  readonly gateway: Gateway
  readonly sessions: Sessions
  readonly http: Http
  readonly launcher: Launcher
  readonly sandbox: Sandbox
  readonly hardening: Hardening
  /** The kernel tells who connects. */
  readonly peerKnown: boolean
  onUnsealed(): Promise<void>
  stop(): void
}
