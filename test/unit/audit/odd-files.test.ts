import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifyFolder } from '../../../src/audit/verify.ts'
import { makeOdd, oddKinds } from '../../support/odd-file.ts'
import { all, event, makeTrail, openLog, openTestLog, temporaryFolder, testSigner } from './support.ts'

describe.each(oddKinds)('%s', (kind) => {
  it('under the name of a segment is reported, and the trail goes on behind it', async () => {
    const folder = temporaryFolder()
    await makeTrail(folder, 3)
    await makeOdd(join(folder, '000007.jsonl'), kind)
    for (const more of [1, 2]) {
      const log = openLog(folder, {})
      expect(log.problems).toEqual([expect.stringContaining('000007.jsonl: not a regular file of this account')])
      log.append(event())
      expect(log.head.seq).toBe(3 + more)
      expect(await all(log.query({}))).toHaveLength(3 + more)
      expect(await all(log.query({ limit: 2 }))).toHaveLength(2)
      expect(await log.verify()).toMatchObject({ ok: false, records: 3 + more })
      await log.close()
    }
    expect(readFileSync(join(folder, '000008.jsonl'), 'utf8').split('\n')).toHaveLength(3)
    const { ok, problems } = await verifyFolder(folder)
    expect(ok).toBe(false)
    expect(problems).toContainEqual({ file: '000007.jsonl', line: 0, message: 'this is not a regular file' })
  })

  it('in the place of the first segment keeps nobody from starting', async () => {
    const folder = temporaryFolder()
    await makeOdd(join(folder, '000001.jsonl'), kind)
    const log = openTestLog(folder)
    log.append(event())
    expect(log.problems).toHaveLength(1)
    expect(await all(log.query({}))).toHaveLength(1)
    expect(existsSync(join(folder, '000002.jsonl'))).toBe(true)
  })

  it('in the way of the next segment is stepped over', async () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder, { segmentBytes: 1 })
    log.append(event())
    await makeOdd(join(folder, '000002.jsonl'), kind)
    log.append(event())
    expect(existsSync(join(folder, '000003.jsonl'))).toBe(true)
    expect(await all(log.query({}))).toHaveLength(2)
  })

  it.each(['checkpoints.jsonl', 'key.json'])('in the place of %s is reported by the log and by verify', async (name) => {
    const folder = temporaryFolder()
    await makeTrail(folder, 3)
    rmSync(join(folder, name))
    await makeOdd(join(folder, name), kind)
    const log = openTestLog(folder)
    log.setSigner(await testSigner())
    log.append(event())
    await log.checkpoint()
    expect(log.problems.join()).toContain(`${name} is not a regular file`)
    expect((await log.verify()).problems.map(({ file }) => file)).toContain(name)
    expect((await verifyFolder(folder)).problems.map(({ file }) => file)).toContain(name)
  })
})

it('a name that only looks like a segment’s is none', async () => {
  const folder = temporaryFolder()
  await makeTrail(folder, 1)
  await makeOdd(join(folder, '0000007.jsonl'), 'a folder')
  const log = openTestLog(folder)
  log.append(event())
  expect(log.problems).toEqual([])
  expect(existsSync(join(folder, '000002.jsonl'))).toBe(false)
})

it.runIf(process.getuid?.() === 0)('another account’s segment is reported, and not written to', async () => {
  const folder = temporaryFolder()
  await makeTrail(folder, 1)
  const file = join(folder, '000002.jsonl')
  writeFileSync(file, '')
  chownSync(file, 65534, 65534)
  const log = openTestLog(folder)
  log.append(event())
  expect(log.problems).toEqual([expect.stringContaining('000002.jsonl')])
  expect(readFileSync(file, 'utf8')).toBe('')
  expect(existsSync(join(folder, '000003.jsonl'))).toBe(true)
})
