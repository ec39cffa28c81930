import type { JitError } from '../core/errors.ts'
import type { Decision, LeaseGrant, Operation } from '../core/types.ts'
import type { JsonObject } from '../core/json.ts'

/** What policy needs of a provider kind to compile; the daemon fills it from the plugins. */
export interface ProviderFacts {
  readonly kind: string
  readonly origin: string
  /** `token` when absent. */
  readonly authentication?: 'token' | 'aws-sigv4'
  /** Its credentials are for the server at `origin` and for nobody else. */
  readonly audience?: 'origin'
  /** Its secret outlives a lease: only the broker may put it into requests, and no server may hold it. */
  readonly longLived?: boolean
  /** What a scope touches, for people. */
  describe?(scope: JsonObject): string
  /** Parses a filled-in scope; throws JitError `provider.scope`. */
  parseScope(scope: JsonObject): JsonObject
  /** Refusal of a value from a call for one field of the scope, or undefined. */
  checkField(path: string, value: string): string | undefined
  /** Why `${part}` may not stand in a variable of mode env or a remote server's header, or undefined. Absent: `token` may, nothing else. */
  checkPart?(part: string): string | undefined
  /** Why a scope's template can never give a scope, as far as what stands in it without arguments says, or undefined. */
  checkTemplate?(template: JsonObject): string | undefined
}

/** A compiled policy is immutable; a new config makes a new one. */
export interface CompiledPolicy {
  /** SHA-256 of the config it was compiled from. */
  readonly digest: string
  readonly servers: ReadonlyMap<string, CompiledServer>
  /** The config cannot be used, for this reason: nothing is let through, and clients are told when they connect. */
  readonly broken?: JitError
  /** Pure: the same operation gets the same decision. Never throws; what cannot be decided is denied. */
  decide(operation: Operation): Decision
}

export interface CompiledServer {
  readonly name: string
  /** SHA-256 of all that shapes this server: its entry, its provider's, its preset and the defaults. Another server's change leaves it. */
  readonly digest: string
  /** True for tools under `allow` or `ask` and not under `deny`: shown in lists. */
  visible(tool: string): boolean
  resourceVisible(uri: string): boolean
  promptVisible(name: string): boolean
  /** What a server may do outside of any call, from `startup:`. */
  readonly startup: LeaseGrant | undefined
  /** Upstream origins that some rule of it can reach; egress refuses all others. */
  readonly origins: ReadonlySet<string>
  /** Argument names that the policy reads, per tool; their case variants are refused. */
  constrained(tool: string): ReadonlySet<string>
}
