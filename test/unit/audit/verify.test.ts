import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { CompactSign } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { keyText, signCheckpoint } from '../../../src/audit/checkpoint.ts'
import { firstHash, RecordBuffer } from '../../../src/audit/record.ts'
import { verifyFolder } from '../../../src/audit/verify.ts'
import { event, makeTrail, openLog, temporaryFolder, testSigner } from './support.ts'
import { cases } from '../../support/cases.ts'

const files = ['000001.jsonl', '000002.jsonl', '000003.jsonl', 'checkpoints.jsonl', 'key.json'] as const
let original: Map<string, Buffer>

/** 30 records in three segments, four checkpoints. */
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jit-audit-'))
  const log = openLog(folder, { segmentBytes: 3000 })
  log.setSigner(await testSigner())
  for (let index = 0; index < 30; index++) {
    log.append(event('github', { index }))
    if (index % 9 === 8) await log.checkpoint()
  }
  await log.close()
  original = new Map(files.map((name) => [name, readFileSync(join(folder, name))]))
  rmSync(folder, { recursive: true })
})

describe('an untouched trail', () => {
  it('verifies, as a copy too', async () => {
    const folder = copy()
    const report = await verifyFolder(folder)
    expect(report).toMatchObject({ ok: true, records: 30, segments: 3, problems: [], key: JSON.parse(text('key.json')).kid })
    expect(report.checkpoints).toBe(4)
    expect(report.head).toBe(JSON.parse(lines('000003.jsonl').at(-1) ?? '').hash)
  })
})

describe('verify notices', () => {
  it.each(files)('every changed byte of %s', async (name) => {
    const bytes = original.get(name) ?? Buffer.alloc(0)
    const folder = copy()
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (index, mask) => {
        const forged = Buffer.from(bytes)
        forged[index] = (forged[index] ?? 0) ^ mask
        writeFileSync(join(folder, name), forged)
        expect(await verifyFolder(folder)).toMatchObject({ ok: false })
      }),
      {
        numRuns: cases(150),
        examples: [
          [bytes.length - 1, 1],
          [0, 1],
          [bytes.length - 2, 1],
          [bytes.length - 3, 1],
        ],
      },
    )
  })

  it('a changed character, and says in which line', async () => {
    expect(await problems({ '000002.jsonl': text('000002.jsonl').replace('"index":13', '"index":99') })).toEqual([
      { file: '000002.jsonl', line: expect.any(Number), message: expect.stringContaining('was changed') },
    ])
  })

  it.each([
    ['white space put in', (all: string[]) => all.with(3, ` ${all[3] ?? ''}`), 'not a record'],
    ['a carriage return', (all: string[]) => all.with(3, `${all[3] ?? ''}\r`), 'not a record'],
    ['an empty line', (all: string[]) => all.toSpliced(3, 0, ''), 'not a record'],
    ['a removed line', (all: string[]) => all.toSpliced(3, 1), 'stands where record 4 belongs'],
    ['two lines that changed places', (all: string[]) => all.with(3, all[4] ?? '').with(4, all[3] ?? ''), 'stands where record 4 belongs'],
    ['a line twice', (all: string[]) => all.toSpliced(3, 0, all[2] ?? ''), 'record 3 stands where record 4 belongs'],
    ['a forged line in a place of its own', (all: string[]) => all.with(3, forged()), 'was changed, removed or put in'],
  ])('%s', async (_, change, message) => {
    const found = await problems({ '000001.jsonl': `${change(lines('000001.jsonl')).join('\n')}\n` })
    expect(found[0]).toMatchObject({ file: '000001.jsonl', line: 4, message: expect.stringContaining(message) })
  })

  it('a missing segment, first, in between and last', async () => {
    for (const [name, message] of [
      ['000001.jsonl', 'missing'],
      ['000002.jsonl', 'missing'],
      ['000003.jsonl', 'it was cut'],
    ] as const) {
      const folder = copy()
      unlinkSync(join(folder, name))
      expect((await verifyFolder(folder)).problems[0]?.message).toContain(message)
    }
  })

  it('segments that changed places, and a foreign one behind the last', async () => {
    const folder = copy()
    renameSync(join(folder, '000001.jsonl'), join(folder, 'x'))
    renameSync(join(folder, '000002.jsonl'), join(folder, '000001.jsonl'))
    renameSync(join(folder, 'x'), join(folder, '000002.jsonl'))
    expect((await verifyFolder(folder)).ok).toBe(false)
    expect((await problems({ '000004.jsonl': text('000001.jsonl') }))[0]).toMatchObject({ file: '000004.jsonl', line: 1 })
  })

  it('records cut off behind which a checkpoint was signed', async () => {
    const rest = lines('000003.jsonl')
      .slice(0, -1)
      .map((line) => `${line}\n`)
      .join('')
    expect(await problems({ '000003.jsonl': rest })).toEqual([
      { file: 'checkpoints.jsonl', line: expect.any(Number), message: expect.stringContaining('record 30') },
    ])
  })

  it('records cut off behind the last checkpoint, if it is told what must be there', async () => {
    const folder = copy({
      '000003.jsonl': lines('000003.jsonl')
        .slice(0, -1)
        .map((line) => `${line}\n`)
        .join(''),
    })
    const kept = lines('checkpoints.jsonl')
      .slice(0, -1)
      .map((line) => `${line}\n`)
      .join('')
    writeFileSync(join(folder, 'checkpoints.jsonl'), kept)
    expect((await verifyFolder(folder)).ok).toBe(true)
    const last = JSON.parse(lines('000003.jsonl').at(-1) ?? '')
    const report = await verifyFolder(folder, { expected: [{ seq: 30, hash: last.hash }] })
    expect(report.problems).toMatchObject([{ message: 'record 30 of what jit remembers is not in the trail: it was cut' }])
  })

  it('a trail written anew, with hashes that fit, under the old checkpoints', async () => {
    const [folder, changed] = [temporaryFolder(), temporaryFolder()]
    await makeTrail(changed, 30, { segmentBytes: 3000, clock: { now: () => 0, monotonic: () => 0, after: () => () => undefined } })
    cpSync(changed, folder, { recursive: true })
    for (const name of ['checkpoints.jsonl', 'key.json']) writeFileSync(join(folder, name), original.get(name) ?? '')
    expect((await verifyFolder(folder)).problems.some(({ message }) => message.includes('the trail was rewritten'))).toBe(true)
  })

  it('checkpoints and a key of somebody else, if it is told whose key it must be', async () => {
    const folder = copy()
    const [own, foreign] = [await testSigner(), await testSigner()]
    expect((await verifyFolder(folder, { publicKey: own.publicJwk })).problems[0]).toMatchObject({ file: 'key.json' })
    writeFileSync(join(folder, 'key.json'), await keyText(foreign.publicJwk))
    expect((await verifyFolder(folder)).problems[0]?.message).toContain('signature of this checkpoint does not hold')
    unlinkSync(join(folder, 'key.json'))
    expect((await verifyFolder(folder)).problems[0]?.message).toContain('no public key')
    expect((await verifyFolder(folder, { publicKey: own.publicJwk })).problems[0]).toMatchObject({ file: 'key.json' })
  })

  it('a signature that was made for another use, or over rubbish', async () => {
    const signer = await testSigner()
    const kid = JSON.parse(await keyText(signer.publicJwk)).kid
    const payload = Buffer.from(
      JSON.stringify({ seq: 30, hash: JSON.parse(lines('000003.jsonl').at(-1) ?? '').hash, time: '', segment: 3 }),
    )
    const sign = (header: object, bytes = payload): Promise<string> =>
      new CompactSign(bytes).setProtectedHeader({ alg: 'EdDSA', ...header }).sign(signer.key)
    const verify = async (jws: string): Promise<boolean> =>
      (await verifyFolder(copy({ 'checkpoints.jsonl': `{"jws":"${jws}"}\n`, 'key.json': await keyText(signer.publicJwk) }))).ok
    expect(await verify(await sign({ kid, typ: 'jit-checkpoint' }))).toBe(true)
    expect(await verify(await sign({ kid, typ: 'JWT' }))).toBe(false)
    expect(await verify(await sign({ kid, typ: 'jit-checkpoint' }, Buffer.from('{}')))).toBe(false)
  })

  it('a signed checkpoint that contradicts what it is told must be there', async () => {
    const signer = await testSigner()
    const key = await keyText(signer.publicJwk)
    const jws = await signCheckpoint({ seq: 30, hash: firstHash, time: '', segment: 3 }, signer)
    const folder = copy({ 'checkpoints.jsonl': `{"jws":"${jws}"}\n`, 'key.json': key })
    const expected = [{ seq: 30, hash: JSON.parse(lines('000003.jsonl').at(-1) ?? '').hash }]
    expect((await verifyFolder(folder, { expected })).problems).toMatchObject([
      { file: 'checkpoints.jsonl', line: 1, message: expect.stringContaining('contradicts') },
    ])
  })

  it('a signature written with other spare bits', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const [first = '', ...rest] = lines('checkpoints.jsonl')
    const last = first.at(-3) ?? ''
    const twin = `${first.slice(0, -3)}${alphabet[alphabet.indexOf(last) ^ 1] ?? ''}"}`
    expect(twin).not.toBe(first)
    expect((await problems({ 'checkpoints.jsonl': `${[twin, ...rest].join('\n')}\n` }))[0]).toMatchObject({
      file: 'checkpoints.jsonl',
      line: 1,
    })
  })

  it.each(['000003.jsonl', 'checkpoints.jsonl'] as const)('a %s without its last newline', async (name) => {
    expect(await problems({ [name]: text(name).slice(0, -1) })).toContainEqual({
      file: name,
      line: lines(name).length,
      message: 'the last line is torn',
    })
  })

  it('checkpoints that stand out of order', async () => {
    const found = await problems({ 'checkpoints.jsonl': `${lines('checkpoints.jsonl').toReversed().join('\n')}\n` })
    expect(found.map(({ message }) => message)).toEqual([27, 18, 9].map((seq) => `the checkpoint of record ${seq} stands out of order`))
  })

  it('a folder without a trail', async () => {
    expect(await verifyFolder(temporaryFolder())).toMatchObject({ ok: false, records: 0 })
    expect(await verifyFolder('/nowhere')).toMatchObject({ ok: false, records: 0 })
  })

  it('many problems, and lists the first twenty', async () => {
    const found = await problems({ '000001.jsonl': 'x\n'.repeat(100) })
    expect(found).toHaveLength(20)
    expect(found[19]).toMatchObject({ line: 20 })
  })
})

function forged(): string {
  const records = new RecordBuffer()
  records.add({ event: event('forged') }, 4, '2026-11-21T12:00:00.000Z', firstHash)
  return records.bytes.toString().trimEnd()
}

function text(name: (typeof files)[number]): string {
  return original.get(name)?.toString('utf8') ?? ''
}

function lines(name: (typeof files)[number]): string[] {
  return text(name).trimEnd().split('\n')
}

function copy(changed: Record<string, string> = {}): string {
  const folder = temporaryFolder()
  for (const [name, bytes] of original) writeFileSync(join(folder, name), bytes)
  for (const [name, content] of Object.entries(changed)) writeFileSync(join(folder, name), content)
  return folder
}

async function problems(changed: Record<string, string>) {
  return (await verifyFolder(copy(changed))).problems
}
