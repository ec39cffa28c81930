import { randomBytes } from 'node:crypto'
import { createBroker } from '../../../src/broker/broker.ts'
import type { Broker, LeaseAsk } from '../../../src/broker/types.ts'
import { JitError } from '../../../src/core/errors.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { Secret } from '../../../src/core/secret.ts'
import type { LeaseGrant, Logger } from '../../../src/core/types.ts'
import type { Credential, MintRequest, Provider, RevokeOutcome } from '../../../src/provider/contract.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryAudit } from '../../support/memory-audit.ts'
import { MemoryStore } from '../../support/memory-store.ts'

export const minute = 60_000
export const hour = 60 * minute

/** What one mint of the stand-in does; an absent field means the good answer. */
export interface MintScript {
  /** Milliseconds until the answer. */
  readonly delay?: number
  /** Instead of an answer; the token is not minted. */
  readonly error?: () => Error
  /** The token is minted, and then this is thrown: an answer that was lost. */
  readonly lose?: () => Error
  /** Goes on when the signal aborts, as a careless provider would. */
  readonly deaf?: boolean
  readonly granted?: JsonObject
  readonly expiresAt?: number
  readonly secrets?: Readonly<Record<string, string>>
  readonly notSecret?: readonly string[]
}

export interface RevokeScript {
  readonly delay?: number
  readonly error?: () => Error
  readonly hang?: boolean
  readonly outcome?: RevokeOutcome
}

export interface UpstreamToken {
  readonly value: string
  /** Under which the upstream itself knows it. */
  readonly hash: string
  readonly lease: string
  readonly expiresAt: number
  revoked: boolean
}

/** An upstream that mints and revokes as it is told, and knows which of its tokens are alive. */
export class FakeUpstream {
  readonly tokens: UpstreamToken[] = []
  readonly mints: MintRequest[] = []
  readonly mintScripts: MintScript[] = []
  readonly revokeScripts: RevokeScript[] = []
  revocations = 0
  running = 0
  mostRunning = 0
  readonly #clock: FakeClock
  readonly #byHash = new Map<string, UpstreamToken>()

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  alive(): UpstreamToken[] {
    return this.tokens.filter((token) => !token.revoked && token.expiresAt > this.#clock.now())
  }

  provider(options: { origin?: string; revocable?: boolean } = {}): Provider {
    const { origin = 'https://api.example.test', revocable = true } = options
    return {
      origin,
      prove: async () => ({}),
      mint: (request, signal) => this.#mint(request, signal),
      ...(revocable ? { revoke: (credential: Credential, signal: AbortSignal) => this.#revoke(credential, signal) } : {}),
      covers: (granted, asked) => JSON.stringify(granted) === JSON.stringify(asked),
      partition: (scope) => String(scope['repository']),
      describe: (scope) => String(scope['repository']),
    }
  }

  async #mint(request: MintRequest, signal: AbortSignal): Promise<Credential> {
    this.mints.push(request)
    const script = this.mintScripts.shift() ?? {}
    if (script.delay !== undefined) await this.#wait(script.delay, script.deaf === true ? undefined : signal)
    if (script.error !== undefined) throw script.error()
    const value = `tok_${randomBytes(12).toString('hex')}`
    const expiresAt = script.expiresAt ?? this.#clock.now() + hour
    const hash = new Secret(value).sha256Base64()
    const token = { value, hash, lease: request.lease, expiresAt, revoked: false }
    this.tokens.push(token)
    this.#byHash.set(hash, token)
    if (script.lose !== undefined) throw script.lose()
    const secrets = Object.entries(script.secrets ?? { token: value }).map(([name, text]) => [name, new Secret(text)] as const)
    return {
      secrets: Object.fromEntries(secrets),
      ...(script.notSecret === undefined ? {} : { notSecret: script.notSecret }),
      expiresAt,
      granted: script.granted ?? request.scope,
      upstreamHash: hash,
    }
  }

  async #revoke(credential: Credential, signal: AbortSignal): Promise<RevokeOutcome> {
    this.revocations += 1
    this.running += 1
    this.mostRunning = Math.max(this.mostRunning, this.running)
    try {
      const script = this.revokeScripts.shift() ?? {}
      if (script.hang === true) await this.#wait(Number.MAX_SAFE_INTEGER, signal)
      if (script.delay !== undefined) await this.#wait(script.delay, signal)
      if (script.error !== undefined) throw script.error()
      const outcome = script.outcome ?? { outcome: 'revoked', verified: true }
      // Which token it is, the upstream knows by its hash: a test may have replaced the secret itself.
      const token = this.#byHash.get(credential.upstreamHash ?? '')
      if (token !== undefined && outcome.outcome === 'revoked') token.revoked = true
      return outcome
    } finally {
      this.running -= 1
    }
  }

  #wait(delay: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(delay, resolve)
      signal?.addEventListener('abort', () => (cancel(), reject(new JitError('provider.unavailable', 'the connection was cut'))), {
        once: true,
      })
    })
  }
}

export class FakeSealer {
  state: 'open' | 'sealed' = 'open'
  fails = false

  get fingerprintKey(): Uint8Array {
    if (this.state === 'sealed') throw new JitError('store.sealed', 'the store is sealed')
    return Buffer.from('a key for fingerprints in tests')
  }

  async seal(secret: Secret, purpose: string): Promise<string> {
    if (this.fails || this.state === 'sealed') throw new JitError('store.sealed', 'the store is sealed')
    return secret.seal((value) => Buffer.from(JSON.stringify({ value, purpose })).toString('base64'))
  }

  async open(sealed: string, purpose: string): Promise<Secret> {
    if (this.state === 'sealed') throw new JitError('store.sealed', 'the store is sealed')
    const opened: { value: string; purpose: string } = JSON.parse(Buffer.from(sealed, 'base64').toString())
    if (opened.purpose !== purpose) throw new JitError('store.corrupt', 'sealed for something else')
    return new Secret(opened.value)
  }
}

export class MemoryLog implements Logger {
  readonly lines: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[] = []
  debug = (message: string, fields = {}): void => void this.lines.push({ level: 'debug', message, fields })
  info = (message: string, fields = {}): void => void this.lines.push({ level: 'info', message, fields })
  warn = (message: string, fields = {}): void => void this.lines.push({ level: 'warn', message, fields })
  error = (message: string, fields = {}): void => void this.lines.push({ level: 'error', message, fields })
}

export interface Bench {
  readonly clock: FakeClock
  readonly store: MemoryStore
  readonly audit: MemoryAudit
  readonly sealer: FakeSealer
  readonly upstream: FakeUpstream
  readonly log: MemoryLog
  /** Name → provider; a test may take one away. */
  readonly providers: Map<string, Provider>
  broker: Broker
  /** kill -9 and a new process over the same store: what the old one held in memory is gone, and it does nothing more. */
  restart(): Broker
}

export const mintTimeout = 30_000

export function bench(options: { revocable?: boolean; mintTimeout?: () => number } = {}): Bench {
  const clock = new FakeClock()
  const upstream = new FakeUpstream(clock)
  const providers = new Map([['acme', upstream.provider(options)]])
  const [store, audit, sealer, log] = [new MemoryStore(), new MemoryAudit(), new FakeSealer(), new MemoryLog()]
  let process = { dead: false }
  const open = (): Broker => {
    process.dead = true
    const own = { dead: false }
    process = own
    return createBroker({
      store: {
        leases: mortal(store.leases, own),
        atomically: (work) => (own.dead ? deadEnd() : store.atomically(work)),
        settle: () => (own.dead ? deadEnd() : store.settle()),
        flush: () => (own.dead ? deadEnd() : store.flush()),
      },
      audit: mortal(audit, own),
      sealer: mortal(sealer, own),
      clock: {
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        after: (delay, run) => clock.after(delay, () => own.dead || run()),
      },
      log,
      get mintTimeout() {
        return options.mintTimeout?.() ?? mintTimeout
      },
      provider: (name) => mortalProvider(providers.get(name), own),
    })
  }
  const made: Bench = {
    clock,
    store,
    audit,
    sealer,
    upstream,
    log,
    providers,
    broker: open(),
    restart() {
      made.broker = open()
      return made.broker
    },
  }
  return made
}

interface Process {
  dead: boolean
}

function deadEnd(): never {
  throw new JitError('store.unavailable', 'this process was killed')
}

/** Of a killed process nothing is written any more, whatever promises it left behind. */
function mortal<T extends object>(target: T, process: Process): T {
  return new Proxy(target, {
    get(_, name) {
      if (process.dead) deadEnd()
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const mortalProviders = new WeakMap<Provider, { process: Process; provider: Provider }>()

/** An upstream goes on with what it was asked; a killed process does not hear of it. */
function mortalProvider(provider: Provider | undefined, process: Process): Provider | undefined {
  if (provider === undefined) return undefined
  const known = mortalProviders.get(provider)
  if (known?.process === process) return known.provider
  const { revoke } = provider
  const heard = <T>(work: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (!process.dead)
        work().then(
          (value) => process.dead || resolve(value),
          (error: unknown) => process.dead || reject(error),
        )
    })
  const made: Provider = {
    ...provider,
    get origin() {
      return provider.origin
    },
    mint: (request, signal) => heard(() => provider.mint(request, signal)),
    ...(revoke === undefined ? {} : { revoke: (credential: Credential, signal: AbortSignal) => heard(() => revoke(credential, signal)) }),
  }
  mortalProviders.set(provider, { process, provider: made })
  return made
}

export function grant(change: Partial<LeaseGrant> = {}): LeaseGrant {
  return {
    credential: 'lease',
    provider: 'acme',
    scope: { repository: 'acme/web', issues: 'read' },
    requests: [],
    ttl: 5 * minute,
    lifetime: 'ttl',
    ...change,
  }
}

let calls = 0

export function ask(change: Partial<LeaseGrant> = {}, more: { session?: string; server?: string } = {}): LeaseAsk {
  calls += 1
  return {
    grant: grant(change),
    call: `call_${calls}`,
    principal: {
      human: 'ada(1000)',
      agent: { name: 'agent', pid: 7, startTime: 1, evidence: 'peer' },
      session: more.session ?? 'session_1',
    },
    server: more.server ?? 'github',
    tool: 'get_issue',
  }
}

export const patient = new AbortController().signal

export const unavailable =
  (details: Readonly<Record<string, unknown>> = {}) =>
  () =>
    new JitError('provider.unavailable', 'the upstream is down', { details })
export const refused = () => new JitError('provider.refused', 'the upstream says no', { details: { status: 422 } })
