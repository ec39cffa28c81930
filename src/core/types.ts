import type { Clock } from './clock.ts'
import type { ErrorCode } from './errors.ts'
import type { JsonObject } from './json.ts'

/** One MCP request that policy governs. `args` is deeply frozen; `digest` covers all other fields. */
export interface Operation {
  readonly server: string
  readonly kind: 'tool' | 'resource' | 'prompt'
  /** Tool name, resource URI or prompt name. */
  readonly name: string
  /** The call's arguments; empty for a resource. */
  readonly args: JsonObject
  /** SHA-256 of the tool's definition as the server last listed it; empty when it never did. */
  readonly definition: string
  /** `operationDigest()` of the above. */
  readonly digest: string
}

export type Effect = 'allow' | 'ask' | 'deny'
export type Lifetime = 'call' | 'ttl'

/** Where a decision comes from, for people: `servers.github.allow[0]` in the config, a preset's row, or the default. */
export interface RuleReference {
  readonly source: 'config' | 'preset' | 'default' | 'lock'
  readonly path: string
}

export type Decision = Denial | Permission

export interface Denial {
  readonly effect: 'deny'
  readonly rule: RuleReference
  readonly code: ErrorCode
  /** One sentence that says which value met which rule. */
  readonly reason: string
  /** The tool is not listed at all: the client is answered as if it did not exist. */
  readonly hidden: boolean
  /** Arguments that policy looked at. */
  readonly used: JsonObject
}

export interface Permission {
  readonly effect: 'allow' | 'ask'
  readonly rule: RuleReference
  readonly grant: Grant
  /** Arguments that policy looked at, for the trail. */
  readonly used: JsonObject
  /** What is touched, for people: `acme/web#42`; the operation's name when nothing better is known. */
  readonly resource: string
}

/** What a permitted call may use upstream. */
export type Grant = { readonly credential: 'none' } | LeaseGrant

export interface LeaseGrant {
  readonly credential: 'lease'
  /** Name of the provider instance in the config. */
  readonly provider: string
  /** What the provider will be asked to enforce; already parsed by its `scope` schema. */
  readonly scope: JsonObject
  /** What the broker enforces on the wire; empty: no upstream at all in `egress` and `endpoint` modes. */
  readonly requests: readonly RequestRule[]
  /** Milliseconds from the mint. */
  readonly ttl: number
  readonly lifetime: Lifetime
}

/** One bound request rule: `GET https://api.github.com/repos/acme/web/issues/42 ?page`. */
export interface RequestRule {
  /** As people read it, arguments filled in. */
  readonly text: string
  /** Upper case. */
  readonly method: string
  /** `https://host[:port]`, lower case, without a default port. */
  readonly origin: string
  readonly segments: readonly PathSegment[]
  /** Query parameters that may occur; a value when it is bound to one. All others refuse the request. */
  readonly query: readonly QueryParameter[]
  /** Binds the body of a GraphQL request. */
  readonly graphql?: GraphqlRule
  /** JSON pointer → value that the JSON body must hold there. */
  readonly body?: readonly { readonly pointer: string; readonly value: JsonObject[string] }[]
  /** Binds the body of a form: fields that may occur; a value when it is bound to one. All others refuse the request. */
  readonly form?: readonly QueryParameter[]
  /** Header (lower case) → its value, once: tells the operations of APIs apart that share one path (`x-amz-target`). */
  readonly headers?: Readonly<Record<string, string>>
  /** True where an AWS request may carry a body outside of its signature, as clients stream uploads. */
  readonly unsignedPayload?: true
  /** Values to remember from the answer for later requests of the same call: name → JSON pointer. */
  readonly capture?: Readonly<Record<string, string>>
}

export type PathSegment =
  /** `encoded`: slashes in the value are escaped on the wire (`acme%2Fweb`), so that it is one segment. */
  | { readonly kind: 'literal'; readonly value: string; readonly ignoreCase: boolean; readonly encoded?: true }
  | { readonly kind: 'one' }
  | { readonly kind: 'rest' }
  | { readonly kind: 'seen'; readonly name: string }

export interface QueryParameter {
  readonly name: string
  readonly value?: string
}

export interface GraphqlRule {
  readonly operation: 'query' | 'mutation'
  /** Names of the root fields that may be selected. */
  readonly fields: readonly string[]
  /** Variable → value it must have. */
  readonly variables: JsonObject
}

/** human → agent → session → server → tool → resource → result: the first half of a principal chain. */
export interface Principal {
  /** Name of the operating-system account, `name(uid)`. */
  readonly human: string
  readonly agent: AgentIdentity
  /** One agent process, not one connection. */
  readonly session: string
}

export interface AgentIdentity {
  /** Base name of the agent's executable, or the name of its token. */
  readonly name: string
  readonly pid: number
  /** Clock ticks since boot from /proc, or 0 where the platform does not tell. */
  readonly startTime: number
  /**
   * `peer`: read from the socket and the kernel. `claimed`: what the shim said. `token`: the name of the token that came with
   * the request. `none`: a process of this account that is not seen from here.
   */
  readonly evidence: 'peer' | 'claimed' | 'token' | 'none'
  /** What the MCP client calls itself; display only. */
  readonly client?: string
}

/** What a revocation really achieved, for one lease. */
export interface Receipt {
  readonly lease: string
  readonly provider: string
  readonly server: string
  readonly scope: JsonObject
  /** Local cut: no request gets this credential from here on. Always true. */
  readonly cut: true
  /**
   * `revoked`: the upstream said so; `verified` when a probe with the dead credential was refused.
   * `accepted`: the upstream took the revocation but the probe could not confirm it.
   * `pending`: the upstream did not answer; it is retried.
   * `expires`: the upstream cannot revoke; it accepts the credential until `validUntil`.
   * `kept`: a long-lived key: no request gets it from here, and it stays valid upstream until it is rotated.
   * `irrevocable`: retries are exhausted.
   */
  readonly outcome: 'revoked' | 'accepted' | 'pending' | 'expires' | 'kept' | 'irrevocable'
  readonly verified: boolean
  /** Milliseconds since 1970 until which the upstream may still accept it; absent when it is dead, or has no end (`kept`). */
  readonly validUntil?: number
  /** How long the credential was valid upstream, in milliseconds. */
  readonly lived: number
  readonly detail?: string
}

/** Writes one line of the daemon's own log. Constant messages; data in fields; never a secret. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** What nearly every part needs from outside itself. */
export interface Surroundings {
  readonly clock: Clock
  readonly log: Logger
}
