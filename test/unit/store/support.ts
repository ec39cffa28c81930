import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { LeaseRow, Store } from '../../../src/store/store.ts'
import { openStore } from '../../../src/store/sqlite.ts'

/** A folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jit-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function openTestStore(folder: string = temporaryFolder()): Store {
  const store = openStore(join(folder, 'jit.db'))
  onTestFinished(() => store.close())
  return store
}

export function lease(change: Partial<LeaseRow> = {}): LeaseRow {
  return {
    id: 'lease_1',
    state: 'live',
    provider: 'acme',
    server: 'github',
    tool: 'get_issue',
    session: 'session_1',
    call: 'call_1',
    scope: { repositories: ['acme/web'], permissions: { issues: 'read' } },
    sealed: 'sealed',
    fingerprint: 'fp_1',
    upstreamHash: 'hash_1',
    startedAt: 1000,
    mintedAt: 1001,
    expiresAt: 2000,
    validUntil: 3000,
    attempts: 0,
    error: '',
    ...change,
  }
}
