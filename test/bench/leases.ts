import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAudit } from '../../src/audit/log.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { Broker, Lease } from '../../src/broker/types.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Provider } from '../../src/provider/contract.ts'
import { openSealer } from '../../src/store/sealer.ts'
import { openStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import type { Report, Setting } from './report.ts'
import { Samples } from './statistics.ts'

const counts = [100, 1000, 10_000] as const
/** Milliseconds that the upstream takes to answer a revocation. */
const upstreamTakes = 5
/** So many of them belong to a call that runs. */
const inUseAtMost = 100
const hour = 3_600_000
const log = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * `revoke --all` with many live leases: how long until nobody gets a credential any more and a crash would not change that
 * (the local cut), and until the last receipt. Broker, store, sealing and trail are jit's own; only the upstream is not.
 */
export async function measureLeases({ rounds, say }: Setting): Promise<Report> {
  const samples = new Samples()
  // The broker's own share of a mint, with an upstream that answers at once, is measured on the way.
  const most = Math.max(1, Math.min(3, rounds))
  for (let round = 0; round < most; round += 1) {
    for (const count of counts) {
      // Minting these is two durable writes each: minutes on a busy disk.
      if (count === 10_000 && round > 0) continue
      say(`${count} leases, round ${round + 1} of ${most}`)
      samples.add(String(count), await measureOnce(count))
    }
  }
  const name = (count: number): string => count.toLocaleString('en')
  const cells = (figure: string) => counts.map((count) => samples.spread(String(count), figure))
  return {
    subject: 'leases',
    tables: [
      {
        title: `revoke --all, by live leases, of which up to ${inUseAtMost} are in use; the upstream answers after ${upstreamTakes} ms`,
        columns: counts.map(name),
        rows: [
          { name: 'the cut: in use ended, and durable, ms', cells: cells('cut') },
          { name: 'the event loop is free again, ms', cells: cells('returned') },
          { name: 'last receipt, ms', cells: cells('receipts') },
          { name: 'a bare durable write, ms', cells: cells('disk') },
          { name: 'one mint before, broker alone, ms', cells: cells('mint') },
        ],
      },
    ],
    targets: [
      {
        what: 'revoke --all with 10,000 leases: the local cut',
        measured: samples.spread('10000', 'cut'),
        unit: 'ms',
        limit: 10,
        bound: 'at most',
      },
    ],
    charts: [
      {
        kind: 'lines',
        name: 'revoke-all',
        title: 'jit revoke --all',
        axis: `milliseconds, logarithmic; the upstream answers each revocation after ${upstreamTakes} ms`,
        logarithmic: true,
        limit: { value: 10, name: 'target for the cut: 10 ms' },
        positionAxis: 'live leases',
        positions: counts.map(name),
        series: [
          { name: 'last receipt', values: cells('receipts') },
          { name: 'local cut, durable', values: cells('cut') },
          { name: 'one bare durable write', values: cells('disk') },
        ],
      },
    ],
    skipped: [],
  }
}

async function measureOnce(count: number): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-bench-'))
  const store = openStore(join(folder, 'store.sqlite'))
  const sealer = await openSealer({ store, stateFolder: folder, keychain: undefined, log })
  const audit = openAudit({
    folder: join(folder, 'audit'),
    sync: 'batch',
    segmentBytes: 64 * 1024 * 1024,
    clock: systemClock,
    log,
    meta: store.meta,
  })
  let written = 0
  const provider = upstream()
  const broker = createBroker({
    store: watched(store, () => (written ||= performance.now())),
    sealer,
    audit,
    clock: systemClock,
    log,
    mintTimeout: 60_000,
    provider: () => provider,
  })
  try {
    const minting = performance.now()
    const inUse: Lease[] = []
    for (let number = 0; number < count; number += 1) {
      const lease = await mint(broker, number)
      if (number < inUseAtMost) inUse.push(lease)
      else broker.release(lease)
    }
    const mintTook = (performance.now() - minting) / count
    const disk = bareWrite(store)
    written = 0
    let lastAbort = 0
    for (const { signal } of inUse) signal.addEventListener('abort', () => (lastAbort = performance.now()))
    const started = performance.now()
    const work = broker.revoke({ all: true }, 'revoked', 120_000)
    const returned = performance.now() - started
    const cut = (written === 0 ? Number.NaN : Math.max(written, lastAbort)) - started
    const receipts = await work
    const all = performance.now() - started
    if (receipts.length !== count || receipts.some((receipt) => receipt.outcome !== 'revoked'))
      throw new Error('not everything was revoked')
    return { cut, returned, receipts: all, disk, mint: mintTook }
  } finally {
    await broker.close(1000)
    await audit.close()
    store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What this disk takes for one transaction of one row. */
function bareWrite(store: Store): number {
  const times = Array.from({ length: 5 }, (_, turn) => {
    const started = performance.now()
    store.meta.set('bench', String(turn))
    return performance.now() - started
  })
  return times.sort((one, other) => one - other)[2] ?? Number.NaN
}

/** The store, and when a write of it was durable: the first one of a revocation is its cut. */
function watched(store: Store, onWrite: () => void): Store {
  return {
    ...store,
    leases: {
      ...store.leases,
      cutLive() {
        store.leases.cutLive()
        onWrite()
      },
    },
    atomically(work) {
      const result = store.atomically(work)
      onWrite()
      return result
    },
  }
}

function mint(broker: Broker, lease: number): Promise<Lease> {
  const ask = {
    grant: {
      credential: 'lease',
      provider: 'acme',
      scope: { repository: `acme/web-${lease}`, issues: 'read' },
      requests: [],
      ttl: hour,
      lifetime: 'ttl',
    },
    call: `call_${lease}`,
    principal: { human: 'bench(1000)', agent: { name: 'bench', pid: 7, startTime: 1, evidence: 'peer' }, session: 'session_1' },
    server: 'github',
    tool: 'get_issue',
  } as const
  return broker.acquire(ask, new AbortController().signal)
}

/** Mints at once; ends a token after a while, as many at once as are asked for. */
function upstream(): Provider {
  let minted = 0
  return {
    origin: 'https://api.example.test',
    prove: async () => ({}),
    async mint({ scope }) {
      minted += 1
      const token = new Secret(`tok_${String(minted).padStart(36, '0')}`)
      return { secrets: { token }, expiresAt: systemClock.now() + hour, granted: scope, upstreamHash: token.sha256Base64() }
    },
    async revoke() {
      await new Promise((resolve) => setTimeout(resolve, upstreamTakes))
      return { outcome: 'revoked', verified: true }
    },
    covers: () => true,
    partition: (scope) => String(scope['repository']),
    describe: (scope) => String(scope['repository']),
  }
}
