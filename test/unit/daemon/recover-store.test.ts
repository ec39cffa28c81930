import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mendLease } from '../../../src/daemon/recover-rows.ts'
import { recoverStore } from '../../../src/daemon/recover-store.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { Secret } from '../../../src/core/secret.ts'
import { createLockState } from '../../../src/daemon/lock.ts'
import { openSealer } from '../../../src/store/sealer.ts'
import { openStore } from '../../../src/store/sqlite.ts'
import type { LeaseRow, Store } from '../../../src/store/store.ts'
import { leaseStates } from '../../../src/store/leases.ts'
import { cases } from '../../support/cases.ts'
import { lease } from '../store/support.ts'

const now = Date.UTC(2026, 10, 21)
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const config = `version: 1\n# ${'a config of some length '.repeat(400)}\n`
const digest = createHash('sha256').update(config).digest('hex')
/** Enough of them for several pages. */
const alive = 120
const over = 60

let template: string
beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), 'jit-recover-'))
  const store = openStore(join(template, 'jit.db'))
  const sealer = await openSealer({ store, stateFolder: template, keychain: undefined, log: quiet })
  store.meta.set('config.applied', config)
  store.meta.set('config.appliedAt', String(now))
  store.meta.set('locked', 'no')
  store.meta.set('pin.github', '{"version":"1.0.0"}')
  store.meta.set('audit.checkpoint', JSON.stringify({ seq: 7, hash: 'f'.repeat(64) }))
  for (let number = 0; number < 12; number += 1) {
    const name = `provider/acme${number}/privateKey`
    store.secrets.set(name, await sealer.seal(new Secret(`key ${number} ${'x'.repeat(1700)}`), name))
  }
  for (let number = 0; number < alive + over; number += 1) {
    const id = `lease_${String(number).padStart(16, '0')}`
    const live = number < alive
    const sealed = live ? await sealer.seal(new Secret(`token ${number}`), `lease/${id}`) : ''
    store.leases.insert(lease({ id, state: live ? 'live' : 'revoked', sealed, startedAt: now - 1000, validUntil: now + 60_000 }))
  }
  store.tokens.add({ name: 'laptop', hash: 'a'.repeat(64), servers: ['github'], addedAt: now, expiresAt: now + 1000 })
  store.children.add({ pid: 4242, startTime: 99, processGroup: 4242, server: 'github', lane: 'lane_1' })
  store.close()
  mkdirSync(join(template, 'audit'))
  const record = { seq: 1, time: '2026-11-21T00:00:00.000Z', type: 'daemon.started', detail: { pid: 1, policy: digest } }
  writeFileSync(join(template, 'audit/000001.jsonl'), `${JSON.stringify(record)}\n`)
})
afterAll(() => rmSync(template, { recursive: true }))

interface Home {
  readonly paths: { readonly database: string; readonly state: string; readonly auditFolder: string }
  recover(): ReturnType<typeof recoverStore>
  open<T>(work: (store: Store) => T): T
}

/** A home whose store was damaged. */
async function inHome<T>(damage: (bytes: Buffer) => Buffer, work: (home: Home) => Promise<T>): Promise<T> {
  const state = mkdtempSync(join(tmpdir(), 'jit-recover-'))
  const paths = { database: join(state, 'jit.db'), state, auditFolder: join(state, 'audit') }
  mkdirSync(paths.auditFolder)
  copyFileSync(join(template, 'audit/000001.jsonl'), join(paths.auditFolder, '000001.jsonl'))
  copyFileSync(join(template, 'key'), join(state, 'key'))
  writeFileSync(paths.database, damage(readFileSync(join(template, 'jit.db'))), { mode: 0o600 })
  try {
    return await work({
      paths,
      recover: () => recoverStore(paths, now),
      open(use) {
        const store = openStore(paths.database)
        try {
          return use(store)
        } finally {
          store.close()
        }
      },
    })
  } finally {
    rmSync(state, { recursive: true })
  }
}

const flip =
  (hits: readonly (readonly [number, number])[]) =>
  (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes)
    for (const [place, value] of hits) copy[Math.floor(place * copy.length)] = value
    return copy
  }

/** Overwrites the page in which this text stands for the first time. */
const wipePageOf =
  (text: string) =>
  (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes)
    const page = Math.floor(copy.indexOf(text) / 4096) * 4096
    return copy.fill(0xa5, page, page + 4096)
  }

describe('a damaged store', () => {
  it('is left alone where nothing is damaged', () =>
    inHome(
      (bytes) => bytes,
      async ({ paths, recover }) => {
        const before = readFileSync(paths.database)
        await expect(recover()).rejects.toMatchObject({ code: 'conflict' })
        expect(readFileSync(paths.database).equals(before)).toBe(true)
        expect(
          readdirSync(paths.state)
            .filter((name) => !/-(wal|shm)$/.test(name))
            .sort(),
        ).toEqual(['audit', 'jit.db', 'key'])
      },
    ))

  it('is left alone while a daemon holds it', () =>
    inHome(
      (bytes) => bytes,
      async ({ paths, recover }) => {
        const store = openStore(paths.database)
        await expect(recover()).rejects.toMatchObject({ code: 'daemon.running' })
        store.close()
      },
    ))

  it('is left alone where a newer jit wrote it', () =>
    inHome(
      (bytes) => {
        const copy = Buffer.from(bytes)
        copy.writeUInt32BE(99, 60)
        return copy
      },
      async ({ recover }) => {
        await expect(recover()).rejects.toMatchObject({ code: 'store.corrupt', details: { version: 99 } })
      },
    ))

  it.each([
    ['its first page', (bytes: Buffer) => Buffer.concat([Buffer.alloc(4096, 0xa5), bytes.subarray(4096)]), { secrets: 12, leases: 180 }],
    ['its header', (bytes: Buffer) => Buffer.concat([Buffer.from('not a database'), bytes.subarray(14)]), { secrets: 12, leases: 180 }],
    ['a page of leases', wipePageOf('lease_0000000000000030'), { secrets: 12 }],
  ])('without %s is read all the same', (_, damage, kept) =>
    inHome(damage, async ({ paths, recover, open }) => {
      const damaged = readFileSync(paths.database)
      const recovered = await recover()
      expect(recovered).toMatchObject(kept)
      expect(recovered.leases).toBeGreaterThan(150)
      expect(readFileSync(recovered.damaged).equals(damaged), 'kept as it was').toBe(true)
      open((store) => {
        expect(store.meta.get('locked')).toBe('yes')
        expect(store.leases.inState(['live'])).toEqual([])
      })
    }),
  )

  it('with its first page keeps the config that the trail proves, and its secrets open', () =>
    inHome(
      (bytes) => Buffer.concat([Buffer.alloc(100, 0xa5), bytes.subarray(100)]),
      async ({ paths, recover }) => {
        const { lost } = await recover()
        expect(lost.join('\n')).not.toMatch(/config in force|secret/)
        expect(lost.join('\n')).toContain('"laptop"')
        const store = openStore(paths.database)
        expect(store.meta.get('config.applied')).toBe(config)
        expect(store.meta.get('pin.github')).toBe('{"version":"1.0.0"}')
        expect(store.tokens.all()).toEqual([])
        expect(store.children.all()).toHaveLength(1)
        const sealer = await openSealer({ store, stateFolder: paths.state, keychain: undefined, log: quiet })
        const name = 'provider/acme3/privateKey'
        expect((await sealer.open(store.secrets.get(name) ?? '', name)).seal((text) => text)).toMatch(/^key 3 /)
        store.close()
      },
    ))

  it('that lost what it says about its key finds it by the key file', () =>
    inHome(wipePageOf('"check"'), async ({ paths, recover }) => {
      const { lost, secrets } = await recover()
      expect(secrets).toBe(12)
      expect(lost.join('\n')).toMatch(/config in force/)
      const store = openStore(paths.database)
      expect(store.meta.get('config.applied'), 'no server').toBe('version: 1\n')
      const sealer = await openSealer({ store, stateFolder: paths.state, keychain: undefined, log: quiet })
      expect(sealer.state).toBe('open')
      store.close()
    }))

  it.each(['"id":"', '"check":"'])('with one wrong letter in the %s of its key finds it by the key file', (field) =>
    inHome(
      (bytes) => {
        const copy = Buffer.from(bytes).fill(0xa5, 0, 100)
        const letter = copy.indexOf(field) + field.length
        copy[letter] = copy[letter] === 0x61 ? 0x62 : 0x61
        return copy
      },
      async ({ paths, recover }) => {
        expect((await recover()).secrets).toBe(12)
        const store = openStore(paths.database)
        const sealer = await openSealer({ store, stateFolder: paths.state, keychain: undefined, log: quiet })
        const name = 'provider/acme3/privateKey'
        expect((await sealer.open(store.secrets.get(name) ?? '', name)).seal((text) => text)).toMatch(/^key 3 /)
        store.close()
      },
    ),
  )

  it('that lost its config to an edit is not taken for whole', () =>
    inHome(
      (bytes) => {
        const copy = Buffer.from(wipePageOf('lease_0000000000000030')(bytes))
        copy.write('b config', copy.indexOf('a config'))
        return copy
      },
      async ({ recover, open }) => {
        const { lost } = await recover()
        expect(lost.join('\n')).toMatch(/config in force/)
        open((store) => expect(store.meta.get('config.applied')).toBe('version: 1\n'))
      },
    ))

  it('has a row that says it is over and holds its credential still: it is revoked', () => {
    const row = { ...lease({ id: 'lease_1', state: 'revoked', sealed: 'a..b.c.d' }), number: 1, scope: '{}' }
    expect(mendLease(row, now)).toMatchObject({ state: 'revoking', validUntil: now + 3_600_000 })
    expect(mendLease({ ...row, sealed: '' }, now)).toMatchObject({ state: 'revoked' })
    expect(mendLease({ ...row, state: 'rxvoked', scope: '{', sealed: '' }, now)).toMatchObject({ state: 'revoking', scope: {} })
    expect(mendLease({ ...row, state: 'live', validUntil: 1e300 }, now)).toMatchObject({ validUntil: now + 3_600_000 })
    expect(mendLease({ ...row, id: 'lexse_1' }, now)).toBeUndefined()
  })

  it(
    'refuses after its recovery whatever it refused before, however it was damaged',
    { timeout: 120_000 * Math.max(1, cases(1)) },
    async () => {
      const hit = fc.tuple(fc.double({ min: 0, max: 0.999_999, noNaN: true }), fc.integer({ min: 0, max: 255 }))
      const damage = fc.oneof(
        fc.array(hit, { minLength: 1, maxLength: 400 }).map(flip),
        fc.double({ min: 0, max: 1, noNaN: true }).map((part) => (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * part))),
        fc.tuple(fc.nat(60), fc.nat(60)).map(([from, to]) => (bytes: Buffer) => {
          const copy = Buffer.from(bytes)
          const pages = bytes.length / 4096
          bytes.copy(copy, (to % pages) * 4096, (from % pages) * 4096, (from % pages) * 4096 + 4096)
          return copy
        }),
      )
      await fc.assert(
        fc.asyncProperty(damage, (hurt) =>
          inHome(hurt, async (home) => {
            const damaged = readFileSync(home.paths.database)
            const outcome = await home.recover().catch((error: unknown) => {
              // Damage that hits nothing, or that makes it look like a newer one: nothing was changed.
              expect(error).toMatchObject({ code: expect.stringMatching(/^(conflict|store\.corrupt)$/) })
              expect(readFileSync(home.paths.database).equals(damaged)).toBe(true)
            })
            if (outcome === undefined) return
            const { damaged: aside, lost } = outcome
            expect(readFileSync(aside).equals(damaged), 'the damaged one is untouched').toBe(true)
            home.open((store) => stricter(store, home.paths.state, lost))
          }),
        ),
        { numRuns: cases(25) },
      )
    },
  )
})

function stricter(store: Store, folder: string, lost: readonly string[]): void {
  expect(createLockState({ folder, meta: store.meta, clock: systemClock, log: quiet }).locked).toBe(true)
  expect([config, 'version: 1\n']).toContain(store.meta.get('config.applied'))
  expect(store.tokens.all(), 'no client comes in').toEqual([])
  const rows = new Map(store.leases.inState(leaseStates).map((row) => [row.id, row]))
  for (const row of rows.values()) expect(willEnd(row), JSON.stringify(row)).toBe(true)
  for (let number = 0; number < alive; number += 1) {
    const row = rows.get(`lease_${String(number).padStart(16, '0')}`)
    if (row === undefined) expect(lost, 'what may be alive and is not listed is told').not.toEqual([])
  }
}

/** It is ended upstream, or reported until it must be dead. */
function willEnd({ state, sealed, validUntil }: LeaseRow): boolean {
  if (state === 'revoking' || state === 'minting' || state === 'lost') return validUntil >= now + 3_600_000
  return sealed === '' && state !== 'live'
}
