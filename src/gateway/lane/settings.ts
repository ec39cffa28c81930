import type { Lease } from '../../broker/types.ts'
import type { JitError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Principal } from '../../core/types.ts'
import type { ToolHeaders } from '../protocol/tool-headers.ts'

/** The client's handshake, kept for lanes that start later. */
export interface Handshake {
  initialize: JsonObject | undefined
  initialized: boolean
  /** The revision that was agreed on; empty before that. */
  revision: string
  /** The client's last `logging/setLevel`. */
  level: JsonObject | undefined
}

/** What a lane is for, and who is told what its server does. */
export interface LaneSettings {
  readonly server: string
  /** Whose connection it belongs to. */
  readonly principal: Principal
  readonly handshake: Handshake
  readonly lease: Lease | undefined
  /** Of the tools that a remote server listed to this client. */
  readonly toolHeaders: ToolHeaders
  scrub(text: string): string
  /** A message of the server does not go on. */
  onRefused(error: JitError): void
  /** A remote server did not answer a request, for this reason. */
  onTrouble(error: JitError): void
  /** A remote server's stream for the answer to this request (its id as JSON) began, or was ended before it. */
  onStream?(id: string, open: boolean): void
}
