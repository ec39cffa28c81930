import type { RequestRule } from '../core/types.ts'
import type { BoundBody } from './body.ts'
import type { WireRequest } from './target.ts'
import type { InFlightCall } from './types.ts'

/** What becomes of a server's own request. */
export type Verdict = Sending | { readonly ok: false; readonly status: number; readonly reason: string; readonly call?: string | undefined }

/** A request that may go upstream, taken apart and put together anew. */
export interface Sending {
  readonly ok: true
  readonly method: string
  /** `https://host[:port]` */
  readonly origin: string
  readonly path: string
  /** Flat like `rawHeaders`, with the token in place of the placeholder, or with the new signature. */
  readonly headers: readonly string[]
  /** Read already, since a rule binds it; otherwise how the client delimits what is streamed. */
  readonly body: Buffer | 'none' | 'chunked' | number
  /** Absent for open origins, which get no credential. */
  readonly charge: Charge | undefined
}

/** On whose account a request goes. */
export interface Charge {
  readonly call: InFlightCall
  readonly rule: RequestRule
  readonly wire: WireRequest
  /** As the rule judged it. */
  readonly content: BoundBody | undefined
}
