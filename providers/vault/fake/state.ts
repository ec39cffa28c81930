/** What a stand-in is set up with. Times are seconds, as in Vault. */
export interface VaultSetup {
  /** `vault`: tokens `hvs.`, no policy ttl; `openbao`: tokens `s.`, policies may end by themselves. */
  readonly product?: 'vault' | 'openbao'
  readonly policies: Readonly<Record<string, string>>
  readonly tokenRoles?: Readonly<Record<string, TokenRole>>
  /** Name of the login method's mount → what it takes. */
  readonly logins?: Readonly<Record<string, LoginMount>>
  readonly tokens?: readonly SeededToken[]
  /** Path → what it makes. */
  readonly dynamic?: Readonly<Record<string, DynamicRole>>
  /** Mount of a kv version 2 → path → data. */
  readonly kv?: Readonly<Record<string, Record<string, Record<string, string>>>>
  /** A mount `oidc` whose identity provider this is. */
  readonly oidc?: { readonly issuer: string; readonly policies: readonly string[]; readonly maxTtl?: number }
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly now?: () => number
}

export interface TokenRole {
  readonly allowed?: readonly string[]
  readonly allowedGlob?: readonly string[]
  readonly disallowed?: readonly string[]
  readonly orphan?: boolean
  readonly noDefaultPolicy?: boolean
  readonly type?: 'service' | 'batch' | 'default-service'
  readonly period?: number
  readonly numUses?: number
  /** More than a role of Vault does: for answers that it should not give. */
  readonly alsoGrants?: readonly string[]
}

export interface LoginMount {
  readonly type: 'approle' | 'userpass' | 'jwt' | 'kubernetes'
  /** Role id or role, or user name. */
  readonly name: string
  /** Secret id, password, or the text of an accepted JWT. */
  secret: string
  readonly policies: readonly string[]
  readonly ttl?: number
  readonly maxTtl?: number
  readonly tokenType?: 'service' | 'batch'
}

export interface SeededToken {
  readonly id: string
  readonly policies: readonly string[]
  readonly ttl?: number
  readonly period?: number
}

export interface DynamicRole {
  readonly ttl: number
  readonly data: (random: string) => Record<string, string | number | null>
  /** False: nothing is leased, as with a kv secret. */
  readonly leased?: boolean
}

export interface TokenEntry {
  readonly id: string
  readonly accessor: string
  readonly policies: readonly string[]
  readonly type: 'service' | 'batch'
  readonly parent: string | undefined
  readonly orphan: boolean
  readonly renewable: boolean
  readonly ttl: number
  readonly period: number
  /** Milliseconds since 1970. */
  readonly limit: number
  readonly meta: Readonly<Record<string, string>>
  readonly displayName: string
  readonly numUses: number
  /** Made by a login or seeded: the broker's own. */
  readonly own: boolean
  expiresAt: number
  usesLeft: number
  revoked: boolean
}

export interface LeaseEntry {
  readonly id: string
  readonly token: string
  readonly expiresAt: number
  readonly data: Readonly<Record<string, string | number | null>>
  readonly renewable: boolean
  revoked: boolean
}

export interface PolicyEntry {
  readonly text: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

export interface VaultEntry {
  readonly time: number
  readonly method: string
  readonly path: string
  readonly namespace: string | undefined
  readonly body: unknown
  /** Whether a token stood in it. */
  readonly token: boolean
  status: number
}

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}
