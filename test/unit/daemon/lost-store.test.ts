import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { refuseLostStore } from '../../../src/daemon/lost-store.ts'

it.each([
  ['nothing at all', undefined, [], true],
  ['an empty store of a first start that was killed', '', [], true],
  ['a store without a trail', 'x', [], true],
  ['a store and its trail', 'x', ['000001.jsonl'], true],
  ['a trail without its store', undefined, ['000001.jsonl'], false],
  ['a trail with an empty store', '', ['000001.jsonl', '000002.jsonl'], false],
])('%s', (_, store, segments, starts) => {
  const home = mkdtempSync(join(tmpdir(), 'jit-lost-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const paths = { database: join(home, 'jit.db'), auditFolder: join(home, 'audit') }
  if (store !== undefined) writeFileSync(paths.database, store)
  if (segments.length > 0) mkdirSync(paths.auditFolder)
  for (const name of segments) writeFileSync(join(paths.auditFolder, name), '')
  const start = (): void => refuseLostStore(paths)
  if (starts) expect(start).not.toThrow()
  else expect(start).toThrow(expect.objectContaining({ code: 'store.corrupt', hint: expect.stringContaining('begin anew') }))
})
