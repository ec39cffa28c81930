import { z } from 'zod'
import {
  type Credential,
  JitError,
  type JsonObject,
  type MintRequest,
  type ProviderHost,
  quote,
  type RevokeOutcome,
  Secret,
} from '../../src/provider/index.ts'
import type { VaultRequest } from './client.ts'
import type { OwnToken } from './login.ts'
import type { Session } from './session.ts'

const created = z.object({
  warnings: z.array(z.string()).nullish(),
  auth: z.object({
    client_token: z.string().min(8),
    accessor: z.string().default(''),
    policies: z.array(z.string()),
    token_policies: z.array(z.string()).nullish(),
    identity_policies: z.array(z.string()).nullish(),
    lease_duration: z.number(),
    num_uses: z.number().default(0),
    orphan: z.boolean().default(false),
    token_type: z.string().default('service'),
  }),
})
/** Enough of an answer that cannot be used to take its token back. */
const accessorOnly = z.object({ auth: z.object({ accessor: z.string().min(1) }) })

/** Milliseconds for taking back what came and cannot be used. */
const undoTimeout = 10_000
/** Seconds: the broker ends a lease a little before the upstream would. */
const shortestLife = 15

export interface ChildToken {
  readonly policies: readonly string[]
  readonly uses: number | undefined
  /** Milliseconds. */
  readonly ttl: number
}

/** A token of exactly these policies, by way of the token role. */
export async function createToken(
  session: Session,
  host: ProviderHost,
  role: string,
  { policies, uses, ttl }: ChildToken,
  { lease, principal }: Pick<MintRequest, 'lease' | 'principal'>,
  signal: AbortSignal,
): Promise<Credential> {
  const seconds = Math.max(shortestLife, Math.ceil(ttl / 1000))
  const request: VaultRequest = {
    method: 'POST',
    path: ['auth', 'token', 'create', role],
    body: {
      policies: [...new Set(policies)],
      ttl: `${seconds}s`,
      explicit_max_ttl: `${seconds}s`,
      renewable: false,
      no_default_policy: !policies.includes('default'),
      type: 'service',
      ...(uses === undefined ? {} : { num_uses: uses }),
      meta: metaOf(lease, principal),
      display_name: `jit-${principal.server}-${principal.tool}`.replaceAll(/[^A-Za-z0-9-]/g, '-').slice(0, 64),
    },
  }
  const now = host.clock.now()
  const { body, own } = await session.call(request, signal, seconds * 1000)
  const parsed = created.safeParse(body)
  if (!parsed.success || parsed.data.auth.lease_duration <= 0) {
    await undo(session, body)
    throw parsed.success
      ? new JitError('provider.scope', `the token role ${role} of provider ${host.name} makes tokens without an end`, {
          hint: 'Remove token_period from the role.',
        })
      : new JitError('provider.unavailable', `Vault's answer to POST ${request.path.join('/')} has another form than documented`)
  }
  const { auth, warnings } = parsed.data
  const missing = (warnings ?? []).filter((text) => /policy .* does not exist/i.test(text))
  if (missing.length > 0) {
    await undo(session, body)
    throw new JitError(
      'provider.refused',
      `provider ${host.name} was asked for a policy that Vault does not have: ${quote(missing.join('; '))}`,
      {
        hint: 'Write it (`vault policy write NAME FILE`), or correct the name in the scope.',
      },
    )
  }
  const all = new Set([...auth.policies, ...(auth.token_policies ?? []), ...(auth.identity_policies ?? [])])
  const isBatch = auth.accessor === '' || auth.token_type !== 'service'
  // Handed out as it is: the broker sees that it is not what was asked, and its receipt says until when it lives.
  if (isBatch)
    host.log.warn('the token role makes batch tokens, which nobody can revoke: set token_type=service', { provider: host.name, role })
  else session.bore(auth.accessor, own)
  return {
    secrets: { token: new Secret(auth.client_token), ...(auth.accessor === '' ? {} : { accessor: new Secret(auth.accessor) }) },
    expiresAt: endOf(now, auth.lease_duration, auth.orphan ? undefined : own),
    granted: { policies: [...all].sort(), ...(auth.num_uses > 0 ? { uses: auth.num_uses } : {}), ...(isBatch ? { type: 'batch' } : {}) },
  }
}

/** By accessor, so that the token itself need not be shown again. */
export async function revokeToken(session: Session, credential: Credential, signal: AbortSignal): Promise<RevokeOutcome> {
  const accessor = credential.secrets['accessor']
  if (accessor === undefined)
    return { outcome: 'expires', validUntil: credential.expiresAt, detail: 'Vault made a batch token, which has no revocation' }
  const taken = await endAccessor(session, accessor.reveal(), signal)
  const path = ['auth', 'token', 'lookup-accessor']
  const request: VaultRequest = { method: 'POST', path, body: { accessor: accessor.reveal() }, hide: [accessor] }
  const { answer } = await session.request(request, signal)
  return receipt(answer.status, { taken, gone: isUnknown(answer.status, answer.said), what: 'token' })
}

/** Milliseconds since 1970. What hangs on the broker's token ends with it. */
export function endOf(now: number, seconds: number, own: OwnToken | undefined): number {
  return Math.min(now + seconds * 1000, own?.expiresAt ?? Number.POSITIVE_INFINITY)
}

/**
 * Something that was made is still there. Without the failure as its cause: what that says of its own request (`sent: false`)
 * would be taken for the whole mint.
 */
export function leftBehind(what: string, failure: unknown): JitError {
  const why = failure instanceof JitError ? failure.message : 'unknown'
  return new JitError('provider.unavailable', `${what} could not be revoked: ${why}`)
}

/** False when Vault says that it knows of none. */
async function endAccessor(session: Session, accessor: string, signal: AbortSignal): Promise<boolean> {
  const request: VaultRequest = {
    method: 'POST',
    path: ['auth', 'token', 'revoke-accessor'],
    body: { accessor },
    hide: [new Secret(accessor)],
  }
  const { answer } = await session.request(request, signal)
  const taken = answer.status === 200 || answer.status === 204
  if (!taken && !isUnknown(answer.status, answer.said)) await session.fail(answer, request, signal)
  session.ended(accessor)
  return taken
}

/**
 * What a look after the end is worth: it is gone, it is still there, or nobody may look. `taken`: Vault said that it ended it, and not
 * that it knows of none; a node that says the latter while another still has it, or does not answer, is to be asked again.
 */
export function receipt(status: number, { taken, gone, what }: { taken: boolean; gone: boolean; what: string }): RevokeOutcome {
  if (!gone && !taken && (status === 200 || status === 429 || status >= 500))
    throw new JitError('provider.unavailable', `Vault did not know a ${what} when it was to be ended, and may take it still`, {
      details: { status },
    })
  if (status === 200) return { outcome: 'accepted', detail: `Vault took the revocation and still knows the ${what}` }
  return { outcome: 'revoked', verified: gone }
}

/** By its words, since versions differ in the status, and a 403 or 404 may be about the path, or from a gateway. */
function isUnknown(status: number, said: string): boolean {
  return (status === 400 || status === 403) && /invalid accessor|bad token|token not found/i.test(said)
}

async function undo(session: Session, body: unknown): Promise<void> {
  const parsed = accessorOnly.safeParse(body)
  if (!parsed.success) return
  await endAccessor(session, parsed.data.auth.accessor, AbortSignal.timeout(undoTimeout)).catch((failure: unknown) => {
    throw leftBehind('a token that Vault made and that cannot be used', failure)
  })
}

/** Names come from strangers: printable, short. */
function metaOf(lease: string, { human, agent, session, server, tool }: MintRequest['principal']): JsonObject {
  return Object.fromEntries(
    Object.entries({ lease, human, agent, session, server, tool }).map(([name, value]) => [
      name,
      value.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 128),
    ]),
  )
}
