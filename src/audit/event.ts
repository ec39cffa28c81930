import type { Json, JsonObject } from '../core/json.ts'
import type { Effect, Principal, RuleReference } from '../core/types.ts'

/**
 * What is written to the trail. The log adds `seq`, `time`, `prev` and `hash`. A `call.intent` stands before any upstream
 * effect of the call; exactly one `call.close` ends every governed call, denied ones too.
 */
export type AuditEvent =
  | CallIntent
  | (CallFields & { readonly type: 'call.release'; readonly task?: string })
  | (CallFields & CloseFields & { readonly type: 'call.close' })
  | {
      readonly type: 'lease.minting' | 'lease.issued' | 'lease.failed' | 'lease.ended'
      readonly call: string
      readonly lease: LeaseFields
      readonly result?: string
      readonly detail?: JsonObject
    }
  | {
      readonly type: 'egress.refused'
      readonly server: string
      readonly lane: string
      readonly call?: string
      readonly request: { readonly method: string; readonly origin: string; readonly path: string }
      readonly reason: string
    }
  | {
      readonly type: 'server.started' | 'server.stopped' | 'server.pinned' | 'server.changed'
      readonly server: string
      readonly lane?: string
      readonly detail: JsonObject
    }
  | {
      readonly type: 'approval.asked' | 'approval.answered'
      readonly call: string
      readonly approval: string
      readonly answer?: string
      readonly by?: string
    }
  | {
      /** A server asked the client for its model, its user or its folders (`asked`, allowed or not), and what came of it. */
      readonly type: 'client.asked' | 'client.answered'
      readonly server: string
      readonly detail: JsonObject
    }
  | {
      readonly type:
        | 'daemon.started'
        | 'daemon.stopped'
        | 'daemon.locked'
        | 'daemon.unlocked'
        | 'store.sealed'
        | 'store.unsealed'
        | 'config.applied'
        | 'provider.registered'
        | 'provider.removed'
        | 'server.added'
        | 'server.removed'
        | 'proposal.made'
        | 'proposal.joined'
        | 'proposal.accepted'
        | 'proposal.rejected'
        | 'proposal.expired'
        | 'trail.repaired'
        | 'revoke.asked'
        | 'message.refused'
        | 'message.passed'
        | 'token.added'
        | 'token.removed'
      readonly detail: JsonObject
      readonly by?: string
    }

export type CallIntent = CallFields & { readonly type: 'call.intent' }

export interface CallFields {
  readonly call: string
  readonly principal: Principal
  readonly connection: string
  readonly server: string
  /** Pin of the server's program: `npm:@modelcontextprotocol/server-github@2025.4.8 sha512-…`, or `sha256:…` of its file. */
  readonly pin?: string
  readonly kind: 'tool' | 'resource' | 'prompt' | 'startup'
  readonly tool: string
  readonly resource: string
  readonly digest: string
  readonly policy: string
  readonly decision: { readonly effect: Effect; readonly rule: RuleReference; readonly reason?: string }
  readonly arguments?: Json
  readonly provider?: string
  readonly scope?: JsonObject
  /** What the client says the call is part of: `traceparent`, and ids of its conversation, turn or tool use. */
  readonly trace?: JsonObject
}

export interface CloseFields {
  readonly result: 'ok' | 'tool-error' | 'denied' | 'error' | 'aborted' | 'revoked'
  readonly error?: { readonly code: string; readonly message: string }
  readonly lease?: LeaseFields
  /** The server's id of the task that the call became. */
  readonly task?: string
  /** The first and the last ones; what they leave out stands in `requestsLeftOut`. */
  readonly requests: readonly UpstreamRequest[]
  readonly requestsLeftOut?: RequestsLeftOut
  /** Milliseconds from the call's arrival to this record. */
  readonly took: number
}

export interface LeaseFields {
  readonly id: string
  readonly provider: string
  readonly scope: JsonObject
  /** Keyed fingerprint of the secret. */
  readonly token?: string
  /** The upstream's own hash of it. */
  readonly upstreamHash?: string
  readonly expiresAt?: string
}

/** One request that went upstream with a credential. */
export interface UpstreamRequest {
  readonly method: string
  readonly url: string
  /** 0 when no answer came. */
  readonly status: number
  /** The upstream's own id of the request (`x-github-request-id`, `x-amzn-requestid`, `x-request-id`). */
  readonly requestId: string
  readonly took: number
}

/** Requests of a call that its record does not name, because they were too many. */
export interface RequestsLeftOut {
  readonly count: number
  /** They were made behind this many of those that are named. */
  readonly after: number
  /** Those of the first fifty kinds; what is missing of `count` was of others. */
  readonly by: readonly { readonly method: string; readonly host: string; readonly status: number; readonly count: number }[]
}

export interface AuditPosition {
  readonly seq: number
  readonly hash: string
}

export type AuditRecord = AuditEvent & {
  readonly seq: number
  /** RFC 3339 with milliseconds. */
  readonly time: string
  /** Hash of the record before; 64 zeros for the first. */
  readonly prev: string
  /** Lower-case hex SHA-256 of the line's bytes before `,"hash":`. */
  readonly hash: string
}

/** Where parts write. Throws JitError `audit.unwritable` when the record is not in the file; then nothing must happen. */
export interface AuditSink {
  append(event: AuditEvent): AuditPosition
  /** The same for a busy path: records of one turn of the event loop are written together. Resolves once it is in the file. */
  stage(event: AuditEvent): Promise<void>
  /** The same for the closing record of a call: it repeats the fields of the intent, and adds its own. */
  stageClose(intent: CallIntent, close: CloseFields): Promise<void>
}
