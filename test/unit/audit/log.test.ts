import { createHash } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { openAudit } from '../../../src/audit/log.ts'
import { firstHash, parseRecord } from '../../../src/audit/record.ts'
import { segmentFile } from '../../../src/audit/segments.ts'
import { verifyFolder } from '../../../src/audit/verify.ts'
import { all, event, makeTrail, mapMeta, openTestLog, temporaryFolder, TestClock, TestLog, testSigner, textOf } from './support.ts'
import { cases } from '../../support/cases.ts'

describe('a record', () => {
  it('is one line whose hash covers the bytes before it and names the line before', () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder)
    const first = log.append(event('a'))
    const second = log.append(event('b'))
    expect(log.head).toEqual(second)
    const lines = textOf(folder).trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    const [one = '', two = ''] = lines
    expect(one.startsWith(`{"seq":1,"time":"2026-11-21T12:00:00.000Z","prev":"${firstHash}","type":"server.started","server":"a",`)).toBe(
      true,
    )
    expect(JSON.parse(two)).toMatchObject({ seq: 2, prev: first.hash, hash: second.hash })
    const body = two.slice(0, two.indexOf(',"hash":'))
    expect(createHash('sha256').update(body).digest('hex')).toBe(second.hash)
  })

  it('stays one verifiable line whatever strangers write', async () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder)
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom(
          '\n',
          '\r',
          '\u2028',
          '\u2029',
          '\u0000',
          '\u001b',
          '\u009b',
          '\u202e',
          '\ud800',
          '\u{e0041}',
          '"',
          '\\',
          ',"hash":"',
          '"}\n{"seq":1',
        ),
      }),
      fc.string({ minLength: 9000, maxLength: 20_000 }),
    )
    const json = fc.jsonValue({ maxDepth: 6 }).map((value): AuditEvent => event('x', JSON.parse(JSON.stringify({ value }))))
    fc.assert(
      fc.property(
        fc.oneof(
          hostile.map((text) => event(text, { [text.slice(0, 300)]: text })),
          json,
        ),
        (given) => {
          log.append(given)
        },
      ),
      { numRuns: cases(300) },
    )
    const lines = textOf(folder).trimEnd().split('\n')
    expect(lines).toHaveLength(log.head.seq)
    for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/)
    expect((await log.verify()).problems).toEqual([])
  })

  it('keeps text below the cap exactly, and says of longer text how long it was and what its hash is', () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder)
    const whole = '\u202eü\n'.repeat(2000)
    log.append(event('a', { whole, long: 'x'.repeat(100_000), [`k${'y'.repeat(1000)}`]: 1 }))
    const record = parseRecord(Buffer.from(textOf(folder).trimEnd()))
    const detail: Record<string, unknown> = record !== undefined && 'detail' in record ? { ...record.detail } : {}
    expect(detail['whole']).toBe(whole)
    const hash = createHash('sha256').update('x'.repeat(100_000)).digest('hex')
    expect(detail['long']).toBe(`${'x'.repeat(8192)}… [cut: 100000 characters, sha256 ${hash}]`)
    expect(Object.keys(detail)[2]).toMatch(/^ky{255}… \[cut: 1001 characters, sha256 /)
  })

  it('is never longer than its cap: the largest field gives way and is named', async () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder)
    const many = Array.from({ length: 100_000 }, (_, index) => `entry ${index} \u2028`)
    log.append(event('a', { many, digest: 'd' }))
    log.append(event('a', Object.fromEntries(many.map((text) => [text, text]))))
    const deep: unknown[] = []
    let inner = deep
    for (let depth = 0; depth < 20_000; depth++) {
      const next: unknown[] = []
      inner.push(next)
      inner = next
    }
    log.append({ type: 'lease.ended', call: 'b', lease: { id: 'l', provider: 'p', scope: { many } }, detail: { also: many } })
    log.append({ type: 'message.refused', detail: { deep: deep as never } })
    const lines = textOf(folder).trimEnd().split('\n')
    for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(256 * 1024 + 400)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      server: 'a',
      detail: { many: [], digest: 'd', cut: [expect.stringMatching(/^many: \d{7} bytes, sha256 /)] },
      cut: [expect.stringMatching(/^detail: \d{7} bytes, sha256 /)],
    })
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ server: 'a', detail: {}, cut: [expect.any(String)] })
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ call: 'b', lease: {}, detail: {}, cut: [expect.any(String), expect.any(String)] })
    expect(lines[3]).toContain('[cut: nested deeper than 128]')
    expect((await log.verify()).ok).toBe(true)
  })
})

describe('the trail', () => {
  it('is not written through a symbolic link', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'elsewhere'), '')
    symlinkSync(join(folder, 'elsewhere'), join(folder, '000001.jsonl'))
    const log = openTestLog(folder)
    log.append(event())
    expect(readFileSync(join(folder, 'elsewhere'), 'utf8')).toBe('')
    expect(readFileSync(join(folder, '000002.jsonl'), 'utf8')).not.toBe('')
  })

  it('that is replaced by another genuine one while it is written does not verify', async () => {
    const [folder, other] = [temporaryFolder(), temporaryFolder()]
    const log = openTestLog(folder)
    const twin = openTestLog(other)
    for (let index = 0; index < 5; index++) {
      log.append(event('a'))
      twin.append(event('b'))
    }
    writeFileSync(join(folder, '000001.jsonl'), textOf(other))
    expect((await log.verify()).problems).toMatchObject([{ line: 5, message: expect.stringContaining('what jit remembers') }])
  })

  it('with a genuine continuation by somebody else does not verify', async () => {
    const [folder, other] = [temporaryFolder(), temporaryFolder()]
    const log = openTestLog(folder)
    log.append(event())
    copyFileSync(join(folder, '000001.jsonl'), join(other, '000001.jsonl'))
    const forger = openTestLog(other, { segmentBytes: 10 })
    forger.append(event('forged'))
    copyFileSync(join(other, '000002.jsonl'), join(folder, '000002.jsonl'))
    expect((await verifyFolder(folder)).ok).toBe(true)
    expect((await log.verify()).problems).toEqual([
      { file: '000002.jsonl', line: 0, message: 'this segment is not one that the daemon wrote' },
    ])
  })

  it('whose checkpoints and key were replaced by somebody else’s does not verify', async () => {
    const [folder, other] = [temporaryFolder(), temporaryFolder()]
    const log = openTestLog(folder)
    log.append(event())
    log.setSigner(await testSigner())
    await log.checkpoint()
    copyFileSync(join(folder, '000001.jsonl'), join(other, '000001.jsonl'))
    const forger = openTestLog(other)
    forger.setSigner(await testSigner())
    await forger.checkpoint()
    for (const name of ['checkpoints.jsonl', 'key.json']) copyFileSync(join(other, name), join(folder, name))
    expect((await verifyFolder(folder)).ok).toBe(true)
    expect((await log.verify()).problems).toContainEqual({
      file: 'key.json',
      line: 1,
      message: 'this is not the key that the store signs with',
    })
  })

  it('goes on where it stopped, across opens and segments', async () => {
    const folder = temporaryFolder()
    for (let round = 0; round < 4; round++) {
      const log = openTestLog(folder, { segmentBytes: 4096 })
      expect(log.head.seq).toBe(round * 20)
      for (let index = 0; index < 20; index++) log.append(event('github', { text: 'x'.repeat(200) }))
      await log.close()
    }
    const report = await verifyFolder(folder)
    expect(report).toMatchObject({ ok: true, records: 80, problems: [] })
    expect(report.segments).toBeGreaterThan(4)
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  it('goes on after a crash right behind the start of a new segment', async () => {
    const folder = temporaryFolder()
    await makeTrail(folder, 5)
    writeFileSync(join(folder, '000002.jsonl'), '')
    const log = openTestLog(folder)
    expect(log.head.seq).toBe(5)
    log.append(event())
    expect(await log.verify()).toMatchObject({ ok: true, records: 6, segments: 2 })
  })

  it('reads only its end when it is opened', async () => {
    const folder = temporaryFolder()
    await makeTrail(folder, 3)
    const line = textOf(folder).split('\n')[2] ?? ''
    // Half a gigabyte of holes in front of the last line: reading them would take seconds.
    const file = join(folder, '000001.jsonl')
    truncateSync(file, 0)
    truncateSync(file, 512 * 1024 * 1024)
    appendFileSync(file, `\n${line}\n`)
    const started = performance.now()
    expect(openTestLog(folder).head.seq).toBe(3)
    expect(performance.now() - started).toBeLessThan(200)
  })

  it.each([
    ['half a line', (line: string) => line.slice(0, 100)],
    ['a line without its newline', (line: string) => line],
    ['zeros, as a power cut leaves them', () => '\0'.repeat(5000)],
    [
      'a line with zeros in it and another behind it',
      (line: string) => `${line.slice(0, 50)}${'\0'.repeat(20)}${line.slice(70)}\n${line.slice(0, 80)}\0\n`,
    ],
    ['half a line longer than a block', () => `{"seq":4,"x":"${'y'.repeat(700_000)}`],
  ])('is repaired when it ends in %s: the bytes are kept beside it, and a record says so', async (_, tail) => {
    const folder = temporaryFolder()
    await makeTrail(folder, 3)
    const torn = tail(textOf(folder).split('\n')[2] ?? '')
    appendFileSync(join(folder, '000001.jsonl'), torn)
    expect((await verifyFolder(folder)).ok).toBe(false)
    const log = openTestLog(folder)
    const [record] = await all(log.query({ type: 'trail.repaired' }))
    expect(record).toMatchObject({
      seq: 4,
      detail: {
        file: '000001.torn-1',
        segment: '000001.jsonl',
        bytes: torn.length,
        sha256: createHash('sha256').update(torn).digest('hex'),
      },
    })
    expect(readFileSync(join(folder, '000001.torn-1'), 'utf8')).toBe(torn)
    expect(statSync(join(folder, '000001.torn-1')).mode & 0o777).toBe(0o600)
    expect(log.problems).toEqual([])
    log.append(event())
    expect(await log.verify()).toMatchObject({ ok: true, records: 5 })
    appendFileSync(join(folder, '000001.torn-1'), 'x')
    expect((await log.verify()).problems).toMatchObject([{ line: 4, message: expect.stringContaining('torn-1') }])
  })

  it('whose only line is torn starts anew', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, '000001.jsonl'), '{"seq":1,"ti')
    const log = openTestLog(folder)
    expect(log.head.seq).toBe(1)
    expect((await log.verify()).ok).toBe(true)
  })

  it('whose last record was changed goes on, says so, and never verifies again', async () => {
    const folder = temporaryFolder()
    await makeTrail(folder, 3)
    writeFileSync(join(folder, '000001.jsonl'), textOf(folder).replace('"index":2', '"index":7'))
    const log = openTestLog(folder)
    expect(log.problems).toEqual(['the last record of 000001.jsonl was changed after it was written'])
    log.append(event())
    expect((await log.verify()).problems).toMatchObject([{ file: '000001.jsonl', line: 3 }])
    expect(readdirSync(folder).filter((name) => name.includes('torn'))).toEqual([])
  })

  it('that was cut back together with its checkpoints is noticed by what the store remembers, for good', async () => {
    const folder = temporaryFolder()
    const meta = mapMeta()
    await makeTrail(folder, 10, { meta })
    const cut = textOf(folder).split('\n').slice(0, 4)
    writeFileSync(join(folder, '000001.jsonl'), `${cut.join('\n')}\n`)
    unlinkSync(join(folder, 'checkpoints.jsonl'))
    unlinkSync(join(folder, 'key.json'))
    expect((await verifyFolder(folder)).ok).toBe(true)
    const log = openTestLog(folder, { meta })
    expect(log.problems).toEqual(['the trail ends at record 4, but record 10 was signed: it was cut back'])
    expect(log.head.seq).toBe(10)
    log.append(event())
    expect((await log.verify()).ok).toBe(false)
    await log.close()
    // The gap stands in the trail itself: later checkpoints and copies do not heal it.
    expect((await verifyFolder(folder)).problems).toMatchObject([{ line: 5, message: 'record 11 stands where record 5 belongs' }])
  })

  it('that was rewritten up to the last checkpoint is noticed at open', async () => {
    const [folder, other, meta] = [temporaryFolder(), temporaryFolder(), mapMeta()]
    await makeTrail(folder, 5, { meta })
    await makeTrail(other, 5, { clock: Object.assign(new TestClock(), { time: 5 }) })
    writeFileSync(join(folder, '000001.jsonl'), textOf(other))
    const log = openTestLog(folder, { meta })
    expect(log.problems).toEqual(['record 5 is not the one that was signed: the trail was rewritten'])
    expect((await log.verify()).ok).toBe(false)
  })

  it('that is deleted while it is written is noticed at the next checkpoint, and goes on in a new segment', async () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder)
    log.append(event())
    unlinkSync(join(folder, '000001.jsonl'))
    log.append(event())
    await log.checkpoint()
    expect(log.problems).toEqual(['000001.jsonl was deleted while it was written'])
    log.append(event())
    expect(readdirSync(folder)).toEqual(['000002.jsonl'])
    expect((await log.verify()).ok).toBe(false)
  })

  it('that someone else writes to is noticed at the next checkpoint', async () => {
    const folder = temporaryFolder()
    const log = openTestLog(folder)
    log.append(event())
    appendFileSync(join(folder, '000001.jsonl'), 'x\n')
    await log.checkpoint()
    expect(log.problems).toMatchObject([expect.stringContaining('someone else wrote to it')])
    log.append(event())
    expect((await log.verify()).problems).toMatchObject([
      { file: '000001.jsonl', line: 2 },
      { file: '000002.jsonl', line: 1 },
    ])
  })

  it('takes nothing after it was closed', async () => {
    const log = openTestLog(temporaryFolder())
    await log.close()
    await log.close()
    expect(() => log.append(event())).toThrow(expect.objectContaining({ code: 'audit.unwritable' }))
  })

  it('in a folder that cannot be made says so', () => {
    const options = { sync: 'batch', segmentBytes: 1 << 20, clock: new TestClock(), log: new TestLog() } as const
    expect(() => openAudit({ folder: '/dev/null/audit', ...options })).toThrow(expect.objectContaining({ code: 'audit.unwritable' }))
  })
})

describe('checkpoints', () => {
  it('are made every so many records, and by themselves once a signer comes', async () => {
    const [folder, meta] = [temporaryFolder(), mapMeta()]
    const log = openTestLog(folder, { meta, checkpointEvery: 10 })
    for (let index = 0; index < 25; index++) log.append(event())
    await log.checkpoint()
    expect(readdirSync(folder)).toEqual(['000001.jsonl'])
    log.setSigner(await testSigner())
    await log.checkpoint()
    expect(await log.verify()).toMatchObject({ ok: true, checkpoints: 1, key: expect.stringMatching(/^[\w-]{43}$/) })
    expect(JSON.parse(meta.values.get('audit.checkpoint') ?? '')).toEqual(log.head)
    for (let index = 0; index < 10; index++) log.append(event())
    log.setSigner(undefined)
    log.append(event())
    await log.checkpoint()
    expect(JSON.parse(meta.values.get('audit.checkpoint') ?? '')).toMatchObject({ seq: 25 })
  })

  it('carry on with the same key after a restart; half a line of them is mended', async () => {
    const [folder, meta, signer] = [temporaryFolder(), mapMeta(), await testSigner()]
    for (let round = 1; round <= 3; round++) {
      const log = openTestLog(folder, { meta })
      log.setSigner(signer)
      log.append(event())
      await log.close()
      expect(await verifyFolder(folder)).toMatchObject({ ok: true, checkpoints: round })
      appendFileSync(join(folder, 'checkpoints.jsonl'), '{"jws":"ab')
      expect((await verifyFolder(folder)).ok).toBe(false)
    }
    expect((await openTestLog(folder, { meta }).verify()).ok).toBe(true)
  })

  it('do not replace a foreign key.json: they name it', async () => {
    const [folder, meta] = [temporaryFolder(), mapMeta()]
    await makeTrail(folder, 3, { meta })
    const log = openTestLog(folder)
    log.setSigner(await testSigner())
    log.append(event())
    await log.checkpoint()
    expect(log.problems).toEqual(['key.json is not the key that this store signs with'])
    expect((await log.verify()).ok).toBe(false)
  })
})

describe('durability', () => {
  it('is asked of the disk for each record, or once for a batch', async () => {
    const { systemDisk } = await import('../../../src/audit/disk.ts')
    const calls: string[] = []
    const disk = {
      ...systemDisk,
      sync: (descriptor: number) => (calls.push('each'), systemDisk.sync(descriptor)),
      syncLater: (descriptor: number) => (calls.push('batch'), systemDisk.syncLater(descriptor)),
    }
    const clock = new TestClock()
    const log = openTestLog(temporaryFolder(), { disk, clock })
    for (let index = 0; index < 5; index++) log.append(event())
    expect(calls).toEqual([])
    clock.advance(999)
    expect(calls).toEqual([])
    clock.advance(1)
    await log.checkpoint()
    expect(calls).toEqual(['batch'])
    log.configure({ sync: 'each', segmentBytes: 1 << 20 })
    log.append(event())
    log.append(event())
    expect(calls).toEqual(['batch', 'each', 'each'])
  })
})

it('opens, and answers with its newest records, without reading what is older', async () => {
  const folder = temporaryFolder()
  await makeTrail(folder, 5)
  renameSync(segmentFile(folder, 1), segmentFile(folder, 2))
  // As long as sixty million records: nobody reads that in time.
  writeFileSync(segmentFile(folder, 1), '')
  truncateSync(segmentFile(folder, 1), 64 * 2 ** 30)
  const again = openTestLog(folder)
  expect(again.head.seq).toBe(5)
  expect(again.problems).toEqual([])
  expect((await all(again.query({ limit: 3 }))).map(({ seq }) => seq)).toEqual([3, 4, 5])
})
