import type { UpstreamRequest } from '../audit/event.ts'
import type { Lease } from '../broker/types.ts'
import type { RequestRule } from '../core/types.ts'

/** What a lane gives its child so that the child's HTTP reaches the broker. */
export interface LaneNetwork {
  /** `http://lane:nonce@127.0.0.1:port` for HTTPS_PROXY; a capability of this lane only. */
  readonly proxyUrl: string
  /** PEM file of the local CA to trust. */
  readonly caFile: string
  /** `http://127.0.0.1:port` of this lane's own base-URL listener, when asked for. */
  readonly endpointUrl: string | undefined
  /** Where a sandboxed child's connections come in; none without a folder for them. */
  readonly doors: readonly Door[]
  /** Registers a call while it runs; the answer ends the registration. Throws nothing. */
  begin(call: InFlightCall): () => void
  /** Ends the lane: its nonce and placeholder are dead, its sockets destroyed. */
  close(): void
}

/** Connections to `port` of the child's own loopback belong on `socket`, a unix socket of this lane alone. */
export interface Door {
  readonly port: number
  readonly socket: string
}

/** How a credential goes into a request: in the placeholder's place, or as a signature that is made anew. */
export type Authentication = 'token' | 'aws-sigv4'

export interface LaneEgress {
  readonly lane: string
  readonly server: string
  /** What the child holds in place of the credential. */
  readonly placeholder: string
  /** `token` when absent. */
  readonly authentication?: Authentication
  /** Origins that may be reached at all; a CONNECT to any other host is refused. */
  readonly origins: ReadonlySet<string>
  /** Origins reached without a credential. */
  readonly open: ReadonlySet<string>
  /** Base-URL mode: where requests go (those to AWS to the service that they were signed for), and which path prefix is taken off. */
  readonly endpoint?: { readonly upstream: string; readonly prefix: string }
  /** Private folder, for a child that has no network but doors: unix sockets are made there, and gone when the lane ends. */
  readonly doors?: string
}

export interface InFlightCall {
  readonly call: string
  readonly lease: Lease
  readonly requests: readonly RequestRule[]
  /** False when policy, arguments or tool changed since the decision: then nothing is injected. */
  readonly current: () => boolean
  /** Values captured from earlier answers of this call; egress fills it. */
  readonly seen: Map<string, string>
  readonly onRequest: (request: UpstreamRequest) => void
}

export interface Egress {
  /** Binds the CONNECT listener on 127.0.0.1 and makes the CA if there is none. */
  listen(): Promise<void>
  openLane(lane: LaneEgress): Promise<LaneNetwork>
  close(): Promise<void>
}
