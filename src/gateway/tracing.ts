import type { CloseFields, UpstreamRequest } from '../audit/event.ts'
import type { JitError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Decision, Operation, Principal } from '../core/types.ts'

/** What may be told of a call. */
export interface TracedCall {
  readonly id: string
  readonly request: { readonly id: string | number; readonly method: string; readonly params: JsonObject }
  readonly operation: Operation
  readonly principal: Principal
  /** Digest of the policy that decides. */
  readonly policy: string
  /** Monotonic milliseconds. */
  readonly started: number
}

/** Tells somebody outside how a call went, step by step. Nothing of it throws, waits, or has a say in the call. */
export interface CallTracer {
  /** `exposure`: how much of the call's arguments may be told, as for the trail. */
  begin(call: TracedCall, connection: string, exposure: 'full' | 'digest' | 'none'): CallTrace
}

/** In this order; what does not happen is not told. */
export interface CallTrace {
  decided(decision: Decision): void
  /** Nothing but a credential is missing: where a person was asked, the answer was yes. */
  permitted(): void
  leased(): void
  /** A request upstream that is over. */
  requested(request: UpstreamRequest): void
  /** Once. */
  ended(result: CloseFields['result'], error: JitError | undefined): void
}
