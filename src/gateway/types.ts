import type { Socket } from 'node:net'
import type { AuditSink } from '../audit/event.ts'
import type { Approvals } from '../approval/types.ts'
import type { Broker } from '../broker/types.ts'
import type { Config } from '../config/schema.ts'
import type { Principal, Surroundings } from '../core/types.ts'
import type { Authentication, Egress } from '../egress/types.ts'
import type { UpstreamNetwork } from '../egress/upstream.ts'
import type { CompiledPolicy } from '../policy/types.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { ChildTable } from '../store/store.ts'
import type { HelloFrame } from '../api/schema.ts'
import type { CallTracer } from './tracing.ts'
import type { LocalServer } from './upstream/local.ts'

/** How a local server is started: resolved, pinned, and with nothing of the daemon's own environment but the allow-list. */
export interface LaunchSpec {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  /** What was pinned, for the trail: `npm:name@version …` or `pypi:name@version …`, with a hash. */
  readonly pin: string
  /** Of an installed package: all that its program needs stands there. */
  readonly folder?: string
  /** Written to the child's file descriptor 3. */
  readonly handed?: string
  /** The child has ended: what it was started from may be removed. */
  readonly release?: () => void
}

export interface GatewayDeps extends Surroundings {
  config(): Config
  policy(): CompiledPolicy
  readonly broker: Broker
  readonly egress: Egress
  /** The way to remote servers. */
  readonly network: UpstreamNetwork
  readonly audit: AuditSink
  readonly approvals: Approvals
  /** Undefined while nobody listens. */
  readonly tracer?: CallTracer | undefined
  readonly children: ChildTable
  /** Throws JitError `server.start` or `server.pin`. */
  launch(server: string): Promise<LaunchSpec>
  readonly sandbox: Pick<Sandbox, 'check' | 'open'>
  /** A server of jit's own, by its name; undefined for all others. */
  local?(server: string): LocalServer | undefined
  /** Private folder for what is handed to children by file, of the runtime folder. */
  readonly handover: string
  /** What a lane's child holds in place of that provider's credential; another one each time. */
  standIn(provider: string): StandIn
  /** Who is at the other end; throws when it is another user. The returned function ends the connection's part in the session. */
  identify(socket: Socket, hello: HelloFrame): { principal: Principal; leave: () => void }
}

export interface StandIn {
  /** A value of the credential's shape, which is none. */
  readonly placeholder: string
  /** Origin of request rules without one. */
  readonly origin: string
  readonly authentication: Authentication
  /** Variables that a client needs: a region, what keeps it from other credentials, and where it holds the placeholder, its halves. */
  environment(held: boolean): Readonly<Record<string, string>>
}

export interface LaneStatus {
  readonly lane: string
  readonly pid: number
  readonly partition: string
  readonly inFlight: number
  readonly startedAt: number
}
