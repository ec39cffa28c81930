import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../../src/store/sqlite.ts'
import type { LeaseRow } from '../../../src/store/store.ts'
import { makeHome, startDaemon } from './running-daemon.ts'

const hour = 3_600_000
const passphrase = 'correct horse battery staple'

function row(change: Partial<LeaseRow>): LeaseRow {
  return {
    id: 'lease_1',
    state: 'live',
    provider: 'acme',
    server: 'one',
    tool: 'read',
    session: 'session_1',
    call: 'call_1',
    scope: { repository: 'acme/web' },
    sealed: 'sealed by the daemon that died',
    fingerprint: 'fp',
    upstreamHash: '',
    startedAt: Date.now() - 1000,
    mintedAt: Date.now() - 1000,
    expiresAt: Date.now() + 300_000,
    validUntil: Date.now() + hour,
    attempts: 0,
    error: '',
    ...change,
  }
}

describe('a daemon that starts sealed', () => {
  it('reports at once what may be alive upstream, and forgets none of it', async () => {
    const home = makeHome()
    const first = await startDaemon(home)
    expect((await first.ask('POST', '/v1/seal', { body: { passphrase } })).status).toBe(200)
    first.signal('SIGTERM')
    await first.ended
    const store = openStore(join(home, 'jit.db'))
    store.leases.insert(row({ id: 'lease_lost', state: 'minting', sealed: '', mintedAt: 0, expiresAt: 0 }))
    store.leases.insert(row({ id: 'lease_live' }))
    store.leases.insert(row({ id: 'lease_past', validUntil: Date.now() - 1 }))
    store.close()

    const daemon = await startDaemon(home)
    expect((await daemon.ask('GET', '/v1/status')).body).toMatchObject({
      store: { state: 'sealed' },
      leases: { live: 0, minting: 0, outstanding: 1, lost: 1 },
      warnings: expect.arrayContaining([expect.stringContaining('only after `jit unseal`')]),
    })
    expect((await daemon.ask('GET', '/v1/leases')).body).toMatchObject([
      { id: 'lease_lost', state: 'lost' },
      // Its session died with the daemon: it is to be revoked, once it can be opened.
      { id: 'lease_live', state: 'revoking' },
    ])
    expect((await daemon.ask('GET', '/v1/audit?type=lease.failed')).text).toContain('lease_lost')
    expect((await daemon.ask('POST', '/v1/revoke', { body: { lease: 'lease_live' } })).body).toMatchObject({
      receipts: [{ lease: 'lease_live', outcome: 'pending', verified: false, detail: expect.stringContaining('jit unseal') }],
    })
    daemon.signal('SIGKILL')
    await daemon.ended

    const again = await startDaemon(home)
    expect((await again.ask('GET', '/v1/leases')).body).toMatchObject([{ id: 'lease_lost' }, { id: 'lease_live', state: 'revoking' }])
    expect((await again.ask('POST', '/v1/unseal', { body: { passphrase: 'wrong passphrase' } })).body).toMatchObject({
      error: { code: 'store.wrong-key' },
    })
    expect((await again.ask('POST', '/v1/unseal', { body: { passphrase } })).body).toMatchObject({ state: 'open' })
    // It was made up: nobody can open it, and that is said.
    expect((await again.ask('GET', '/v1/leases')).body).toMatchObject([{ id: 'lease_lost' }, { id: 'lease_live', state: 'irrevocable' }])
  })
})
