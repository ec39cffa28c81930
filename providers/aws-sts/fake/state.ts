/** A long-lived identity of the stand-in: jit's own, or somebody else's. */
export interface FakeIdentity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly arn: string
  /** Milliseconds since 1970 at which its token ends. */
  readonly expiresAt?: number
  /** What its own permission policy allows, e.g. `iam:PutRolePolicy`. `sts:AssumeRole` and what goes with it is left to the trust policy. */
  readonly allowed?: readonly string[]
}

export interface FakeRole {
  readonly arn: string
  /** AROA and 17 letters and digits. */
  readonly roleId: string
  /** Seconds. */
  readonly maxSessionDuration: number
  readonly trust: readonly { readonly principal: string; readonly actions: readonly string[]; readonly externalId?: string }[]
  /** Its permission policies by name; the stand-in writes here what IAM is asked to. */
  readonly policies: Map<string, string>
}

/** An OIDC token that AWS trusts, and the role that it opens. */
export interface FakeWebIdentity {
  readonly token: string
  readonly role: FakeRole
}

export interface FakeSession {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly expiresAt: number
  readonly role: FakeRole
  readonly name: string
  readonly policy: string
  readonly sourceIdentity: string | undefined
  readonly tags: Readonly<Record<string, string>>
}

export type Caller = { readonly identity: FakeIdentity } | { readonly session: FakeSession }

/** An answer of one of the stand-in's services. */
export interface Answer {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

export function arnOf(caller: Caller): string {
  if ('identity' in caller) return caller.identity.arn
  const { role, name } = caller.session
  const [, , , , account = '', path = ''] = role.arn.split(':')
  return `arn:aws:sts::${account}:assumed-role/${path.split('/').at(-1)}/${name}`
}

export function userIdOf(caller: Caller): string {
  return 'identity' in caller ? 'AIDAFAKEFAKEFAKEFAKE0' : `${caller.session.role.roleId}:${caller.session.name}`
}
