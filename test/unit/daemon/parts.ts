import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { type AuditLog, openAudit } from '../../../src/audit/log.ts'
import { findPaths } from '../../../src/config/paths.ts'
import { JitError } from '../../../src/core/errors.ts'
import type { Logger } from '../../../src/core/types.ts'
import { createApi } from '../../../src/daemon/api.ts'
import { createHttp } from '../../../src/daemon/http.ts'
import { composeParts } from '../../../src/daemon/parts.ts'
import type { Daemon } from '../../../src/daemon/types.ts'
import type { Gateway } from '../../../src/gateway/gateway.ts'
import { createSessions } from '../../../src/identity/sessions.ts'
import type { Network } from '../../../src/network/network.ts'
import type { Provider, ProviderPlugin } from '../../../src/provider/contract.ts'
import { openSealer } from '../../../src/store/sealer.ts'
import { openStore } from '../../../src/store/sqlite.ts'
import type { Store } from '../../../src/store/store.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryAudit } from '../../support/memory-audit.ts'
import { FakeUpstream } from '../broker/support.ts'

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** The daemon's parts around a real store and a real config file, with a stand-in for the upstream and for the gateway. */
export interface Parts {
  readonly daemon: Daemon
  readonly clock: FakeClock
  readonly upstream: FakeUpstream
  readonly events: MemoryAudit
  /** Why `prove` fails, by the secret that it is given. */
  readonly refused: Map<string, () => Error>
  /** Runs while a proof is under way. */
  whileProving(work: () => unknown): void
  /** Openings of a provider that are not closed: name and the secret it was opened with. */
  open(): string[]
  /** Servers whose lanes were ended, with the code of the reason. */
  readonly stopped: [server: string | undefined, code: string][]
  /** Lets the store refuse what `which` names: `secrets`, `meta`, `commit`. */
  failStore(which: (operation: string) => boolean): void
  ask(method: 'GET' | 'POST' | 'DELETE', url: string, body?: unknown): Promise<Answer>
  network(): Network
  configText(): string
  writeConfig(text: string): void
  sealedNames(): string[]
}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** With `home`, on what an earlier one left there. */
export async function openParts(options: { home?: string; config?: string } = {}): Promise<Parts> {
  const home = options.home ?? temporaryHome()
  const paths = findPaths({ JIT_HOME: home }, home)
  mkdirSync(paths.runtime, { recursive: true, mode: 0o700 })
  if (options.config !== undefined) writeFileSync(paths.configFile, options.config)
  const clock = new FakeClock()
  const log = silent
  const upstream = new FakeUpstream(clock)
  const events = new MemoryAudit()
  const refused = new Map<string, () => Error>()
  const openings = new Set<string>()
  let proving: () => unknown = () => undefined
  const plugin = fakePlugin({ upstream, refused, openings, proving: () => proving() })

  let fails: (operation: string) => boolean = () => false
  const store = faulty(openStore(paths.database), (operation) => fails(operation))
  const sealer = await openSealer({ store, stateFolder: home, keychain: undefined, log })
  const trail = openAudit({ folder: paths.auditFolder, sync: 'batch', segmentBytes: 1024 * 1024, clock, log, meta: store.meta })
  const audit: AuditLog = {
    head: { seq: 0, hash: '' },
    writable: true,
    problems: [],
    append: (event) => events.append(event),
    stage: (event) => events.stage(event),
    stageClose: (intent, close) => events.stageClose(intent, close),
    query: (filter) => trail.query(filter),
    follow: (filter, signal) => trail.follow(filter, signal),
    checkpoint: () => trail.checkpoint(),
    setSigner: (signer) => trail.setSigner(signer),
    verify: () => trail.verify(),
    configure: (how) => trail.configure(how),
    close: () => trail.close(),
  }
  const parts = await composeParts({ plugins: [plugin], presets: () => undefined, paths, clock, log, store, sealer, audit })
  const stopped: [string | undefined, string][] = []
  const gateway: Gateway = {
    accept: () => undefined,
    open() {
      throw new Error('no client comes here')
    },
    leave: () => undefined,
    tools: async () => [],
    lanes: () => [],
    lastError: () => '',
    pin: () => '',
    restart: async (server, reason) => void stopped.push([server, reason.code]),
    stop: async (server, reason) => void stopped.push([server, reason.code]),
  }
  const http = createHttp({ ...parts, gateway, endSession: () => undefined })
  parts.attach(gateway, http)
  const daemon: Daemon = {
    ...parts,
    startedAt: clock.now(),
    gateway,
    sessions: createSessions(),
    http,
    hardening: { memoryClosed: true, noCoreDumps: true },
    peerKnown: true,
    stop: () => undefined,
  }
  const api = await createApi(daemon)
  onTestFinished(async () => {
    fails = () => false
    await api.close()
    await trail.close()
    store.close()
  })
  return {
    daemon,
    clock,
    upstream,
    events,
    refused,
    whileProving: (work) => void (proving = work),
    open: () => [...openings].map((one) => one.replace(/ #\d+$/, '')).sort(),
    stopped,
    failStore: (which) => void (fails = which),
    async ask(method, url, body) {
      const answer = await api.inject({
        method,
        url,
        headers: { host: 'jit' },
        ...(body === undefined ? {} : { payload: JSON.stringify(body), headers: { host: 'jit', 'content-type': 'application/json' } }),
      })
      return { status: answer.statusCode, body: answer.json() }
    },
    network: () => parts.network(),
    configText: () => readFileSync(paths.configFile, 'utf8'),
    writeConfig: (text) => writeFileSync(paths.configFile, text),
    sealedNames: () => store.secrets.names(),
  }
}

export function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'jit-parts-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  return home
}

function fakePlugin(deps: {
  upstream: FakeUpstream
  refused: Map<string, () => Error>
  openings: Set<string>
  proving: () => unknown
}): ProviderPlugin {
  let count = 0
  return {
    kind: 'fake',
    summary: 'a stand-in',
    config: z.strictObject({ account: z.string(), origin: z.string().default('https://api.example.test') }),
    scope: z.record(z.string(), z.json()),
    revocation: 'immediate',
    login: [
      { name: 'account', label: 'Account', help: '', secret: false, required: true, type: 'text' },
      { name: 'key', label: 'Key', help: 'the key', secret: true, required: true, type: 'text' },
      { name: 'extra', label: 'Extra', help: '', secret: true, required: false, type: 'text' },
    ],
    placeholder: (random) => `fake_${random}`,
    checkField: () => undefined,
    open(_, host): Provider {
      count += 1
      const mine = `${host.name} #${count}`
      deps.openings.add(mine)
      const identity = (): string => host.secret('key').seal((value) => value)
      const provider = deps.upstream.provider()
      return {
        ...provider,
        async prove() {
          await deps.proving()
          const failure = deps.refused.get(identity())
          if (failure !== undefined) throw failure()
          return { account: 'acme' }
        },
        async revoke(credential, signal) {
          if (provider.revoke === undefined) throw new JitError('internal', 'no revoke')
          // An upstream that asks who revokes: only the identity that minted may.
          identity()
          return provider.revoke(credential, signal)
        },
        close: async () => void deps.openings.delete(mine),
      }
    },
  }
}

/** The store with a disk that refuses on demand. */
function faulty(store: Store, fails: (operation: string) => boolean): Store {
  const refuse = (operation: string): void => {
    if (fails(operation)) throw new JitError('store.unavailable', `the test made the store refuse: ${operation}`)
  }
  return {
    ...store,
    meta: {
      ...store.meta,
      set(key, value) {
        refuse('meta')
        store.meta.set(key, value)
      },
    },
    secrets: {
      ...store.secrets,
      set(name, sealed) {
        refuse('secrets')
        store.secrets.set(name, sealed)
      },
    },
    atomically: (work) =>
      store.atomically(() => {
        const result = work()
        refuse('commit')
        return result
      }),
  }
}
