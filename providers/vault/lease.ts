import { z } from 'zod'
import { type Credential, JitError, type JsonObject, type ProviderHost, type RevokeOutcome, Secret } from '../../src/provider/index.ts'
import type { VaultRequest } from './client.ts'
import type { Session } from './session.ts'
import { endOf, leftBehind, receipt } from './token.ts'

const leased = z.object({ lease_id: z.string(), lease_duration: z.number(), data: z.record(z.string(), z.unknown()).nullish() })
const leaseOnly = z.object({ lease_id: z.string().min(1) })

/** Parts that engines answer beside the secret ones: who it is and until when. What stands in no list is taken for a secret. */
const names: ReadonlySet<string> = new Set(
  (
    'username arn account_id service_account_name service_account_namespace installation_id org_name consul_namespace organization ' +
    'key_type key_algorithm ttl token_ttl expires_at expires_at_seconds last_vault_rotation rotation_period'
  ).split(' '),
)

/** Milliseconds for taking back what came and cannot be used. */
const undoTimeout = 10_000

/** A dynamic secret: `{ dynamic: "database/creds/readonly" }`. Its parts are named as the engine names them. */
export async function readDynamic(
  session: Session,
  host: ProviderHost,
  scope: { readonly dynamic: string; readonly parameters?: JsonObject | undefined },
  ttl: number,
  signal: AbortSignal,
): Promise<Credential> {
  const { dynamic, parameters } = scope
  const path = dynamic.split('/')
  const request: VaultRequest = parameters === undefined ? { method: 'GET', path } : { method: 'POST', path, body: parameters }
  const now = host.clock.now()
  const { body, own } = await session.call(request, signal, ttl)
  const parsed = leased.safeParse(body)
  const secrets = parsed.success ? partsOf(parsed.data.data ?? {}) : {}
  if (!parsed.success || parsed.data.lease_id === '' || parsed.data.lease_duration <= 0 || Object.keys(secrets).length === 0) {
    await undo(session, body)
    throw new JitError('provider.scope', `${dynamic} of provider ${host.name} gives no dynamic secret with a lease`, {
      hint: 'A dynamic scope names a role of a secrets engine that makes credentials, e.g. database/creds/readonly.',
    })
  }
  const { lease_id: lease, lease_duration: seconds } = parsed.data
  session.bore(lease, own)
  return {
    secrets: { ...secrets, leaseId: new Secret(lease) },
    notSecret: Object.keys(secrets).filter((name) => names.has(name)),
    expiresAt: endOf(now, seconds, own),
    // The lease's id begins with the path that made it.
    granted: { dynamic: lease.slice(0, Math.max(0, lease.lastIndexOf('/'))), ...(parameters === undefined ? {} : { parameters }) },
  }
}

/** Synchronous: the answer comes when the engine has removed the user, and not before. */
export async function revokeLease(session: Session, credential: Credential, lease: string, signal: AbortSignal): Promise<RevokeOutcome> {
  const taken = await endLease(session, lease, signal)
  const { secrets, expiresAt } = credential
  if (secrets['security_token'] !== undefined || secrets['session_token'] !== undefined)
    return { outcome: 'expires', validUntil: expiresAt, detail: 'the lease is over in Vault; AWS takes the session until its end' }
  if (secrets['service_account_token'] !== undefined)
    return {
      outcome: 'accepted',
      detail: 'Vault removed what it made for the lease; a token of an existing service account lives to its end',
    }
  const request: VaultRequest = { method: 'POST', path: ['sys', 'leases', 'lookup'], body: { lease_id: lease } }
  const { answer } = await session.request(request, signal)
  return receipt(answer.status, { taken, gone: isUnknown(answer.status, answer.said), what: 'lease' })
}

/** False when Vault says that it knows of none. */
async function endLease(session: Session, lease: string, signal: AbortSignal): Promise<boolean> {
  const request: VaultRequest = {
    method: 'POST',
    path: ['sys', 'leases', 'revoke'],
    body: { lease_id: lease, sync: true },
    hide: [new Secret(lease)],
  }
  const { answer } = await session.request(request, signal)
  // 202: queued, so not over. The broker asks again.
  const taken = answer.status === 200 || answer.status === 204
  if (!taken && !isUnknown(answer.status, answer.said)) await session.fail(answer, request, signal)
  session.ended(lease)
  return taken
}

function isUnknown(status: number, said: string): boolean {
  return status === 400 && /invalid lease|lease not found/i.test(said)
}

async function undo(session: Session, body: unknown): Promise<void> {
  const parsed = leaseOnly.safeParse(body)
  if (!parsed.success) return
  await endLease(session, parsed.data.lease_id, AbortSignal.timeout(undoTimeout)).catch((failure: unknown) => {
    throw leftBehind('a dynamic secret that Vault made and that cannot be used', failure)
  })
}

/** Texts and numbers under names that a template can name; the rest is description. */
function partsOf(data: Readonly<Record<string, unknown>>): Record<string, Secret> {
  const parts: Record<string, Secret> = {}
  for (const [name, value] of Object.entries(data)) {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) continue
    if ((typeof value === 'string' && value !== '') || typeof value === 'number') parts[name] = new Secret(String(value))
  }
  return parts
}
