import { JitError, toJitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import type { Receipt } from '../core/types.ts'
import type { Credential, MintRequest, Provider } from '../provider/contract.ts'
import type { LeaseRow } from '../store/store.ts'
import { checkCredential, expirySkew, fingerprintOf, isDate, sealCredential } from './credential.ts'
import { abortAfter, backOff, pause, raceSignal } from './deadline.ts'
import type { Flight } from './flight.ts'
import { HeldLease } from './held-lease.ts'
import { mayHaveMinted } from './lost.ts'
import type { BrokerParts } from './parts.ts'
import { leaseFields, recordIfPossible } from './trail.ts'
import type { LeaseAsk } from './types.ts'

export interface MintDeps extends BrokerParts {
  /** Milliseconds for a mint with all its retries. */
  readonly mintTimeout: number
  /** Throws `locked` or `daemon.unreachable`: nothing is handed out now. */
  requireOpen(): void
}

export type MintResult =
  | { readonly kind: 'live'; readonly held: HeldLease }
  /** `ended`: of the credential that came all the same. */
  | { readonly kind: 'failed'; readonly error: JitError; readonly ended?: Promise<Receipt> }

/** Longest that a token whose answer was lost may live upstream: GitHub's hour, unless more was asked. */
const longestLife = 3_600_000
const attemptLimit = 5
const firstRetry = 250
const errorLength = 240

/**
 * Mints for a flight: `minting` row (durable) and record → the provider → checks → `live` row (which outlives this process, and a
 * power cut soon) and record. What comes back and cannot be used is revoked. Each attempt is a lease of its own, because each may
 * have minted. `landing` runs in the same turn as the last check, so that no revocation can come between the two.
 */
export async function mint(deps: MintDeps, flight: Flight, provider: Provider, landing: (held: HeldLease) => void): Promise<MintResult> {
  const started = deps.clock.monotonic()
  const deadline = new AbortController()
  const cancel = abortAfter(
    deps.clock,
    deps.mintTimeout,
    deadline,
    () => new JitError('provider.unavailable', `provider ${flight.first.grant.provider} gave no answer within ${deps.mintTimeout} ms`),
  )
  const signal = AbortSignal.any([flight.stopped, deadline.signal])
  try {
    for (let attempt = 1; ; attempt += 1) {
      const result = await attemptMint(deps, flight, provider, signal, landing)
      if (result.kind === 'live' || result.ended !== undefined) return result
      const wait = retryDelay(result.error, attempt)
      if (wait === undefined || deps.clock.monotonic() - started + wait >= deps.mintTimeout) return result
      await pause(deps.clock, wait, flight.unwanted)
      if (flight.unwanted.aborted) return { kind: 'failed', error: toJitError(flight.unwanted.reason, 'cancelled') }
    }
  } finally {
    cancel()
    flight.close()
  }
}

async function attemptMint(
  deps: MintDeps,
  flight: Flight,
  provider: Provider,
  signal: AbortSignal,
  landing: (held: HeldLease) => void,
): Promise<MintResult> {
  let row: LeaseRow
  try {
    row = openRow(deps, flight.first, ttlOf(flight.first, provider))
  } catch (error) {
    return { kind: 'failed', error: toJitError(error) }
  }
  flight.lease = row.id
  const answer = ask(provider, requestOf(row.id, flight.first, ttlOf(flight.first, provider)), signal)
  let credential: Credential
  try {
    credential = await raceSignal(answer, signal)
  } catch (thrown) {
    const error = closeRow(deps, row, thrown)
    if (signal.aborted) awaitLateAnswer(deps, row, answer, provider, flight.first, error)
    return { kind: 'failed', error }
  }
  return take(deps, flight, provider, row, credential, landing)
}

/** Nothing is asked of the upstream before both are written; nor while the store is sealed. */
function openRow({ ledger, audit, clock, sealer }: MintDeps, ask: LeaseAsk, ttl: number): LeaseRow {
  const startedAt = clock.now()
  const row: LeaseRow = {
    id: newId('lease'),
    state: 'minting',
    provider: ask.grant.provider,
    server: ask.server,
    tool: ask.tool,
    session: ask.principal.session,
    call: ask.call,
    scope: ask.grant.scope,
    sealed: '',
    fingerprint: '',
    upstreamHash: '',
    startedAt,
    mintedAt: 0,
    expiresAt: startedAt + ttl,
    validUntil: startedAt + Math.max(longestLife, ttl),
    attempts: 0,
    error: '',
  }
  if (sealer.fingerprintKey.length === 0) throw new JitError('store.sealed', 'the secret store is sealed')
  ledger.insert(row)
  try {
    audit.append({ type: 'lease.minting', call: row.call, lease: leaseFields(row) })
  } catch (error) {
    ledger.note(row.id, { state: 'failed', error: 'the trail could not be written' })
    throw error
  }
  return row
}

/** A provider that throws before it answers a promise is one that rejects. */
async function ask(provider: Provider, request: MintRequest, signal: AbortSignal): Promise<Credential> {
  return provider.mint(request, signal)
}

/** Milliseconds that a lease may be used: the policy's, or the provider's own limit. */
function ttlOf({ grant }: LeaseAsk, { maxTtl = Number.POSITIVE_INFINITY }: Provider): number {
  return Math.min(grant.ttl, maxTtl)
}

function requestOf(lease: string, { grant, principal, server, tool }: LeaseAsk, ttl: number): MintRequest {
  const { human, agent, session } = principal
  return { lease, scope: grant.scope, ttl, principal: { human, agent: agent.name, session, server, tool } }
}

/** No credential came. Whether one exists is known only when the upstream answered, or was never asked. */
function closeRow(deps: MintDeps, row: LeaseRow, thrown: unknown): JitError {
  const error = toJitError(thrown, 'provider.unavailable')
  const state = mayHaveMinted(error) ? 'lost' : 'failed'
  deps.ledger.note(row.id, { state, error: error.message.slice(0, errorLength) })
  const until = state === 'lost' ? { validUntil: new Date(row.validUntil).toISOString() } : {}
  recordIfPossible(deps, {
    type: 'lease.failed',
    call: row.call,
    lease: leaseFields(row),
    detail: { code: error.code, message: error.message, state, ...until },
  })
  if (state === 'lost') deps.held.report(row)
  return error
}

/** Nobody waited for the end of this request. What it minted is revoked; that it minted nothing is good to know. */
function awaitLateAnswer(
  deps: MintDeps,
  row: LeaseRow,
  answer: Promise<Credential>,
  provider: Provider,
  asked: LeaseAsk,
  error: JitError,
): void {
  answer.then(
    (late) => endUnusable(deps, row, late, provider, asked, error),
    (thrown: unknown) => {
      const failure = toJitError(thrown, 'provider.unavailable')
      if (!mayHaveMinted(failure)) deps.ledger.note(row.id, { state: 'failed', error: failure.message.slice(0, errorLength) })
    },
  )
}

async function take(
  deps: MintDeps,
  flight: Flight,
  provider: Provider,
  row: LeaseRow,
  credential: Credential,
  landing: (held: HeldLease) => void,
): Promise<MintResult> {
  const { clock, sealer, ledger, audit } = deps
  const { grant } = flight.first
  const mintedAt = clock.now()
  const bornAt = clock.monotonic()
  deps.secrets.learn(credential)
  let issued: LeaseRow
  let partition: string
  try {
    checkCredential(provider, credential, grant, mintedAt)
    partition = provider.partition(grant.scope)
    issued = {
      ...row,
      state: 'live',
      mintedAt,
      validUntil: credential.expiresAt,
      fingerprint: fingerprintOf(credential, sealer.fingerprintKey),
      upstreamHash: credential.upstreamHash ?? '',
      expiresAt: Math.min(mintedAt + ttlOf(flight.first, provider), credential.expiresAt - expirySkew),
      sealed: await sealCredential(sealer, row.id, { ...credential, lifetime: grant.lifetime }),
    }
    flight.unwanted.throwIfAborted()
    deps.requireOpen()
    // After a power cut the `minting` row says that there may be a credential; whoever could use it is gone then too.
    ledger.saveSoon(row.id, issued)
    audit.append({ type: 'lease.issued', call: row.call, lease: leaseFields(issued) })
  } catch (thrown) {
    const error = toJitError(thrown)
    const ended = endUnusable(deps, row, credential, provider, flight.first, error)
    return { kind: 'failed', error, ended }
  }
  const held = new HeldLease({
    row: issued,
    credential,
    provider,
    partition,
    key: flight.key,
    lifetime: grant.lifetime,
    bornAt,
    endsAt: bornAt + issued.expiresAt - mintedAt,
  })
  deps.held.hold(held)
  landing(held)
  return { kind: 'live', held }
}

/** A credential that is not handed out: wider than asked, over, unwanted, too late, or one that could not be written down. */
async function endUnusable(
  deps: MintDeps,
  row: LeaseRow,
  credential: Credential,
  provider: Provider,
  asked: LeaseAsk,
  error: JitError,
): Promise<Receipt> {
  const { clock, ledger, sealer, log } = deps
  const mintedAt = clock.now()
  deps.secrets.learn(credential)
  const validUntil = isDate(credential.expiresAt) && credential.expiresAt > mintedAt ? credential.expiresAt : row.validUntil
  // What it says of its end may be no time: whoever ends it gets one that is.
  const ending: Credential = { ...credential, expiresAt: validUntil }
  const known: LeaseRow = { ...row, mintedAt, validUntil, upstreamHash: credential.upstreamHash ?? '' }
  const held = new HeldLease({
    row: known,
    credential: ending,
    provider,
    partition: '',
    key: undefined,
    lifetime: 'call',
    bornAt: clock.monotonic(),
    endsAt: 0,
  })
  held.cut(error)
  deps.held.hold(held)
  ledger.note(row.id, {
    state: 'revoking',
    mintedAt,
    validUntil,
    upstreamHash: known.upstreamHash,
    error: error.message.slice(0, errorLength),
  })
  recordIfPossible(deps, {
    type: 'lease.failed',
    call: row.call,
    lease: leaseFields(known),
    detail: { code: error.code, message: error.message, state: 'revoking' },
  })
  const ended = deps.ender.end(held, { result: 'not handed out', state: 'failed' })
  try {
    const sealed = await sealCredential(sealer, row.id, { ...ending, lifetime: asked.grant.lifetime })
    // In this turn: a new key of the store seals anew what is in it.
    if (ledger.get(row.id)?.state === 'revoking') ledger.saveSoon(row.id, { sealed })
  } catch (failure) {
    log.warn('unusable credential not sealed', { lease: row.id, error: toJitError(failure).message })
  }
  return ended
}

/** Milliseconds to wait, or undefined when asking again will not help. */
function retryDelay({ code, details }: JitError, attempt: number): number | undefined {
  if (code !== 'provider.unavailable' || attempt >= attemptLimit) return undefined
  const asked = details['retryAfter']
  return typeof asked === 'number' && asked >= 0 ? asked : backOff(firstRetry, attempt)
}
