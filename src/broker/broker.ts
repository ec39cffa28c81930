import type { AuditEvent, AuditSink, LeaseFields } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, toJitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { canonicalJson } from '../core/json.ts'
import type { Secret } from '../core/secret.ts'
import type { LeaseGrant, Logger, Receipt } from '../core/types.ts'
import type { Credential, Provider } from '../provider/contract.ts'
import type { LeaseRow, Store } from '../store/store.ts'
import type { Broker, Lease, LeaseAsk, LeaseView, RevokeSelector } from './types.ts'

export interface BrokerDeps {
  readonly store: Store
  readonly sealer: {
    seal(secret: Secret, purpose: string): Promise<string>
    open(sealed: string, purpose: string): Promise<Secret>
    readonly fingerprintKey: Uint8Array
  }
  provider(name: string): Provider | undefined
  readonly audit: AuditSink
  readonly clock: Clock
  readonly log: Logger
  /** Longest a mint may take, retries included. */
  readonly mintTimeout: number
}

/** A lease and what only the broker knows of it. */
interface Entry {
  readonly lease: Lease
  readonly key: string
  readonly row: LeaseRow
  readonly credential: Credential
  readonly abort: AbortController
  readonly lifetime: 'call' | 'ttl'
  readonly cancelExpiry: () => void
  users: number
  cut: boolean
}

/** Longest that a mint whose answer was lost may be alive upstream. */
const longestLife = 3_600_000
/** How long a dead secret is still scrubbed from late answers. */
const scrubAfterDeath = 600_000
const revokeAttempts = 6
const revokeBackoff = 10_000
const parallelRevocations = 16

export function createBroker(deps: BrokerDeps): Broker {
  const { store, sealer, audit, clock, log } = deps
  const entries = new Map<string, Entry>()
  const cache = new Map<string, Entry>()
  const minting = new Map<string, { promise: Promise<Entry>; abort: AbortController; ask: LeaseAsk; id: string; waiting: number }>()
  let secrets: Secret[] = []
  let secretsVersion = 0
  let locked = false
  let closed = false

  const write = (event: AuditEvent): void => {
    try {
      audit.append(event)
    } catch (error) {
      log.error('lease event not recorded', { type: event.type, error: String(error) })
    }
  }
  const keep = (change: () => void): void => {
    try {
      change()
    } catch (error) {
      log.error('lease state not stored', { error: String(error) })
    }
  }
  const requireOpen = (): void => {
    if (locked) throw new JitError('locked', 'jit is locked')
    if (closed) throw new JitError('daemon.unreachable', 'the daemon is stopping')
  }
  const providerOf = (name: string): Provider => {
    const provider = deps.provider(name)
    if (provider === undefined) throw new JitError('provider.login', `provider ${JSON.stringify(name)} is not registered`)
    return provider
  }
  const keyOf = (ask: LeaseAsk): string =>
    canonicalJson({
      scope: ask.grant.scope,
      provider: ask.grant.provider,
      origin: providerOf(ask.grant.provider).origin,
      session: ask.principal.session,
      ttl: ask.grant.ttl,
    })

  const learn = (credential: Credential): void => {
    const fresh = Object.values(credential.secrets)
    secrets = [...secrets, ...fresh]
    secretsVersion += 1
  }
  const forget = (credential: Credential): void => {
    const dead = new Set(Object.values(credential.secrets))
    clock.after(scrubAfterDeath, () => {
      secrets = secrets.filter((secret) => !dead.has(secret))
      secretsVersion += 1
    })
  }

  async function mint(ask: LeaseAsk, key: string, id: string, signal: AbortSignal): Promise<Entry> {
    const { grant } = ask
    const provider = providerOf(grant.provider)
    const startedAt = clock.now()
    const started = clock.monotonic()
    let row: LeaseRow = {
      id,
      state: 'minting',
      provider: grant.provider,
      server: ask.server,
      tool: ask.tool,
      session: ask.principal.session,
      call: ask.call,
      scope: grant.scope,
      sealed: '',
      fingerprint: '',
      upstreamHash: '',
      startedAt,
      mintedAt: 0,
      expiresAt: startedAt + grant.ttl,
      validUntil: startedAt + longestLife,
      attempts: 0,
      error: '',
    }
    store.leases.insert(row)
    try {
      audit.append({ type: 'lease.minting', call: ask.call, lease: fieldsOf(row) })
    } catch (error) {
      keep(() => store.leases.update(id, { state: 'failed', error: 'the trail could not be written' }))
      throw error
    }
    let credential: Credential
    try {
      credential = await withRetries(ask, provider, id, signal, started)
    } catch (error) {
      const failure = toJitError(error, 'provider.unavailable')
      // A refusal was an answer; anything else may have minted without our hearing of it.
      const lost = failure.code === 'provider.unavailable' && failure.details['sent'] !== false
      row = { ...row, state: lost ? 'lost' : 'failed', error: failure.message.slice(0, 240) }
      keep(() => store.leases.update(id, row))
      write({ type: 'lease.failed', call: ask.call, lease: fieldsOf(row), detail: { code: failure.code, message: failure.message } })
      throw failure
    }
    learn(credential)
    try {
      checkCredential(provider, credential, grant, clock.now())
      const fingerprint = Object.values(credential.secrets)[0]?.fingerprint(sealer.fingerprintKey) ?? ''
      const sealed = await sealCredential(sealer, id, credential)
      const mintedAt = clock.now()
      row = {
        ...row,
        state: 'live',
        sealed,
        fingerprint,
        upstreamHash: credential.upstreamHash ?? '',
        mintedAt,
        expiresAt: Math.min(credential.expiresAt - 5000, mintedAt + grant.ttl),
        validUntil: credential.expiresAt,
      }
      store.leases.update(id, row)
      requireOpen()
      if (signal.aborted) throw toJitError(signal.reason, 'cancelled')
      audit.append({ type: 'lease.issued', call: ask.call, lease: fieldsOf(row) })
    } catch (error) {
      await endUpstream(provider, credential, row, 'failed')
      forget(credential)
      throw error
    }
    return enter(row, credential, provider, key, grant.lifetime)
  }

  function enter(row: LeaseRow, credential: Credential, provider: Provider | undefined, key: string, lifetime: 'call' | 'ttl'): Entry {
    const abort = new AbortController()
    const lease: Lease = {
      id: row.id,
      provider: row.provider,
      scope: row.scope,
      partition: provider?.partition(row.scope) ?? '',
      secrets: credential.secrets,
      fingerprint: row.fingerprint,
      upstreamHash: row.upstreamHash,
      mintedAt: row.mintedAt,
      expiresAt: row.expiresAt,
      signal: abort.signal,
      fresh: true,
    }
    const entry: Entry = {
      lease,
      key,
      row,
      credential,
      abort,
      lifetime,
      users: 0,
      cut: false,
      cancelExpiry: clock.after(row.expiresAt - clock.now(), () => {
        cut(entry, new JitError('lease.expired', `lease ${row.id} expired`))
        void finish(entry, 'expired')
      }),
    }
    entries.set(row.id, entry)
    if (lifetime === 'ttl' && key !== '') cache.set(key, entry)
    return entry
  }

  async function withRetries(ask: LeaseAsk, provider: Provider, id: string, signal: AbortSignal, started: number): Promise<Credential> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(deps.mintTimeout)])
    const { principal } = ask
    const request = {
      lease: id,
      scope: ask.grant.scope,
      ttl: ask.grant.ttl,
      principal: { human: principal.human, agent: principal.agent.name, session: principal.session, server: ask.server, tool: ask.tool },
    }
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await provider.mint(request, deadline)
      } catch (error) {
        const failure = toJitError(error, 'provider.unavailable')
        if (failure.code !== 'provider.unavailable' || signal.aborted) throw failure
        const asked = failure.details['retryAfter']
        const wait = typeof asked === 'number' ? asked : 200 * 2 ** attempt * (0.5 + Math.random())
        if (attempt >= 4 || clock.monotonic() - started + wait > deps.mintTimeout) throw failure
        await pause(clock, wait, deadline)
      }
    }
  }

  const cut = (entry: Entry, reason: JitError): void => {
    if (entry.cut) return
    entry.cut = true
    entry.cancelExpiry()
    if (cache.get(entry.key) === entry) cache.delete(entry.key)
    entry.abort.abort(reason)
  }

  async function finish(entry: Entry, result: string): Promise<Receipt> {
    const receipt = await endUpstream(deps.provider(entry.row.provider), entry.credential, entry.row, 'revoked')
    if (receipt.outcome !== 'pending') {
      entries.delete(entry.row.id)
      forget(entry.credential)
    }
    write({
      type: 'lease.ended',
      call: entry.row.call,
      lease: fieldsOf(entry.row),
      result,
      detail: { outcome: receipt.outcome, verified: receipt.verified, lived: receipt.lived },
    })
    return receipt
  }

  /** Ends a credential upstream, or leaves it to the background retries. Never throws. */
  async function endUpstream(
    provider: Provider | undefined,
    credential: Credential,
    row: LeaseRow,
    state: 'revoked' | 'failed',
    attempt = 1,
  ): Promise<Receipt> {
    const receipt = (outcome: Receipt['outcome'], more: Partial<Receipt> = {}): Receipt => ({
      lease: row.id,
      provider: row.provider,
      server: row.server,
      scope: row.scope,
      cut: true,
      outcome,
      verified: false,
      lived: Math.max(0, clock.now() - (row.mintedAt || row.startedAt)),
      ...more,
    })
    keep(() => store.leases.update(row.id, { state: 'revoking', attempts: attempt }))
    try {
      if (provider?.revoke === undefined) {
        keep(() => store.leases.update(row.id, { state: 'expired' }))
        return receipt('expires', { validUntil: row.validUntil })
      }
      const ended = await provider.revoke(credential, AbortSignal.timeout(10_000))
      keep(() => store.leases.update(row.id, { state, sealed: '' }))
      if (ended.outcome === 'revoked') return receipt('revoked', { verified: ended.verified })
      if (ended.outcome === 'accepted') return receipt('accepted', { detail: ended.detail })
      return receipt('expires', { validUntil: ended.validUntil, detail: ended.detail })
    } catch (error) {
      const detail = toJitError(error).message
      if (attempt >= revokeAttempts || clock.now() >= row.validUntil) {
        keep(() => store.leases.update(row.id, { state: 'irrevocable', error: detail.slice(0, 240) }))
        entries.delete(row.id)
        log.warn('lease irrevocable', { lease: row.id, error: detail })
        return receipt('irrevocable', { validUntil: row.validUntil, detail })
      }
      keep(() => store.leases.update(row.id, { error: detail.slice(0, 240) }))
      clock.after(
        revokeBackoff * 2 ** (attempt - 1) * (0.5 + Math.random()),
        () =>
          void endUpstream(provider, credential, row, state, attempt + 1).then((later) => {
            if (later.outcome !== 'pending') entries.delete(row.id)
          }),
      )
      return receipt('pending', { validUntil: row.validUntil, detail })
    }
  }

  const take = (entry: Entry, fresh: boolean): Lease => {
    entry.users += 1
    return fresh ? entry.lease : { ...entry.lease, fresh: false }
  }

  return {
    cached(ask) {
      requireOpen()
      if (ask.grant.lifetime === 'call') return undefined
      const entry = cache.get(keyOf(ask))
      return entry === undefined || entry.cut || entry.lease.expiresAt <= clock.now() ? undefined : take(entry, false)
    },
    async acquire(ask, signal) {
      requireOpen()
      const known = this.cached(ask)
      if (known !== undefined) return known
      const key = ask.grant.lifetime === 'ttl' ? keyOf(ask) : newId('lease')
      let flight = minting.get(key)
      if (flight === undefined) {
        const abort = new AbortController()
        const id = newId('lease')
        const promise = mint(ask, key, id, abort.signal).finally(() => minting.delete(key))
        promise.catch(() => undefined)
        flight = { promise, abort, ask, id, waiting: 0 }
        minting.set(key, flight)
      }
      flight.waiting += 1
      const mine = flight
      const first = mine.ask === ask
      return new Promise<Lease>((resolve, reject) => {
        const leave = (): void => {
          mine.waiting -= 1
          if (mine.waiting === 0) mine.abort.abort(new JitError('cancelled', 'nobody waits for this mint any more'))
          reject(toJitError(signal.reason, 'cancelled'))
        }
        if (signal.aborted) return leave()
        signal.addEventListener('abort', leave, { once: true })
        mine.promise.then(
          (entry) => {
            signal.removeEventListener('abort', leave)
            if (signal.aborted) return
            if (entry.cut) reject(toJitError(entry.abort.signal.reason, 'lease.revoked'))
            else resolve(take(entry, first))
          },
          (error: unknown) => {
            signal.removeEventListener('abort', leave)
            reject(error)
          },
        )
      })
    },
    release(lease) {
      const entry = entries.get(lease.id)
      if (entry === undefined) return
      entry.users -= 1
      if (entry.lifetime !== 'call' || entry.users > 0 || entry.cut) return
      cut(entry, new JitError('lease.expired', `lease ${lease.id} ended with its call`))
      void finish(entry, 'call ended')
    },
    async revoke(selector, reason, deadline) {
      const why = new JitError(
        reason === 'locked' ? 'locked' : 'lease.revoked',
        reason === 'locked' ? 'jit was locked while this call ran' : 'the credential was revoked while this call ran',
      )
      const chosen = [...entries.values()].filter((entry) => !entry.cut && selects(selector, entry.row))
      for (const entry of chosen) cut(entry, why)
      for (const flight of minting.values()) {
        if (
          selects(selector, {
            id: flight.id,
            provider: flight.ask.grant.provider,
            server: flight.ask.server,
            session: flight.ask.principal.session,
          })
        )
          flight.abort.abort(why)
      }
      const receipts: Receipt[] = []
      const queue = [...chosen]
      const worker = async (): Promise<void> => {
        for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) receipts.push(await finish(entry, reason))
      }
      const work = Promise.all(Array.from({ length: Math.min(parallelRevocations, chosen.length) }, worker))
      await Promise.race([work, pause(clock, deadline, new AbortController().signal)])
      const answered = new Set(receipts.map((receipt) => receipt.lease))
      for (const { row } of chosen) {
        if (answered.has(row.id)) continue
        receipts.push({
          lease: row.id,
          provider: row.provider,
          server: row.server,
          scope: row.scope,
          cut: true,
          outcome: 'pending',
          verified: false,
          validUntil: row.validUntil,
          lived: clock.now() - row.mintedAt,
        })
      }
      return receipts
    },
    leases(): LeaseView[] {
      const rows = store.leases.inState(['minting', 'live', 'revoking', 'irrevocable', 'lost'])
      return rows.map((row) => ({
        id: row.id,
        state: row.state,
        provider: row.provider,
        server: row.server,
        tool: row.tool,
        session: row.session,
        scope: row.scope,
        fingerprint: row.fingerprint,
        startedAt: row.startedAt,
        expiresAt: row.expiresAt,
        validUntil: row.validUntil,
        inUse: entries.get(row.id)?.users ?? 0,
        error: row.error,
      }))
    },
    liveSecrets: () => secrets,
    get secretsVersion() {
      return secretsVersion
    },
    partition: (grant: LeaseGrant) => providerOf(grant.provider).partition(grant.scope),
    async recover() {
      const now = clock.now()
      for (const row of store.leases.inState(['minting']))
        store.leases.update(row.id, { state: 'lost', error: 'the daemon ended while this was minted' })
      for (const row of store.leases.inState(['lost', 'irrevocable']))
        if (row.validUntil <= now) store.leases.update(row.id, { state: 'expired' })
      for (const row of store.leases.inState(['live', 'revoking'])) {
        if (entries.has(row.id)) continue
        const provider = deps.provider(row.provider)
        const credential = await openCredential(sealer, row)
        learn(credential)
        const entry = enter(row, credential, provider, '', 'ttl')
        if (row.state === 'live' && row.expiresAt > now && provider !== undefined) continue
        cut(entry, new JitError('lease.expired', `lease ${row.id} expired`))
        void finish(entry, 'recovered')
      }
      store.leases.prune(now - 7 * 86_400_000)
    },
    get locked() {
      return locked
    },
    set locked(value) {
      locked = value
    },
    close(deadline) {
      const receipts = this.revoke({ all: true }, 'shutdown', deadline)
      closed = true
      return receipts
    },
  }
}

function selects(selector: RevokeSelector, row: Pick<LeaseRow, 'id' | 'provider' | 'server' | 'session'>): boolean {
  if ('all' in selector) return true
  if ('server' in selector) return row.server === selector.server
  if ('provider' in selector) return row.provider === selector.provider
  if ('session' in selector) return row.session === selector.session
  return row.id === selector.lease
}

function fieldsOf(row: LeaseRow): LeaseFields {
  return {
    id: row.id,
    provider: row.provider,
    scope: row.scope,
    ...(row.fingerprint === '' ? {} : { token: row.fingerprint, expiresAt: new Date(row.expiresAt).toISOString() }),
    ...(row.upstreamHash === '' ? {} : { upstreamHash: row.upstreamHash }),
  }
}

/** Never more than asked, never without an end, never a value that would break a header. */
function checkCredential(provider: Provider, credential: Credential, grant: LeaseGrant, now: number): void {
  const parts = Object.values(credential.secrets)
  if (parts.length === 0 || parts.some((part) => part.length === 0))
    throw new JitError('provider.scope', `provider ${grant.provider} answered without a credential`)
  if (!parts.every((part) => part.seal((value) => /^[\x20-\x7e]+$/.test(value))))
    throw new JitError('provider.scope', `provider ${grant.provider} answered a credential with characters that no header can carry`)
  if (!(credential.expiresAt > now + 5000))
    throw new JitError('provider.scope', `provider ${grant.provider} answered a credential that is over already`)
  if (!provider.covers(credential.granted, grant.scope)) {
    throw new JitError(
      'provider.scope',
      `provider ${grant.provider} granted more than was asked: ${canonicalJson(credential.granted)} for ${canonicalJson(grant.scope)}`,
    )
  }
}

async function sealCredential(sealer: BrokerDeps['sealer'], lease: string, credential: Credential): Promise<string> {
  const parts = await Promise.all(
    Object.entries(credential.secrets).map(async ([name, secret]) => [name, await sealer.seal(secret, `lease/${lease}/${name}`)]),
  )
  return JSON.stringify({
    parts: Object.fromEntries(parts),
    expiresAt: credential.expiresAt,
    granted: credential.granted,
    upstreamHash: credential.upstreamHash,
  })
}

async function openCredential(sealer: BrokerDeps['sealer'], row: LeaseRow): Promise<Credential> {
  const { parts, ...rest }: { parts: Record<string, string>; expiresAt: number; granted: Credential['granted']; upstreamHash?: string } =
    JSON.parse(row.sealed)
  const opened = await Promise.all(
    Object.entries(parts).map(async ([name, sealed]) => [name, await sealer.open(sealed, `lease/${row.id}/${name}`)] as const),
  )
  return { ...rest, secrets: Object.fromEntries(opened) }
}

function pause(clock: Clock, delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(delay, resolve)
    signal.addEventListener('abort', () => (cancel(), resolve()), { once: true })
  })
}
