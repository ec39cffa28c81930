import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendCheckpoint } from '../../../src/audit/checkpoint.ts'
import { type Disk, systemDisk } from '../../../src/audit/disk.ts'
import { segmentNumbers } from '../../../src/audit/segments.ts'
import { verifyFolder } from '../../../src/audit/verify.ts'
import { canMount, tinyDisk } from '../../support/tiny-disk.ts'
import { all, event, openTestLog, temporaryFolder, TestLog, testSigner, textOf } from './support.ts'
import { cases } from '../../support/cases.ts'

const mountable = canMount()
const unwritable = expect.objectContaining({ code: 'audit.unwritable' })

describe('a disk that is full', () => {
  it.skipIf(!existsSync('/dev/full'))('refuses the record, and takes the next one once there is room', async () => {
    const folder = temporaryFolder()
    let full = false
    const device = openSync('/dev/full', 'w')
    const disk: Disk = { ...systemDisk, write: (descriptor, bytes, offset) => systemDisk.write(full ? device : descriptor, bytes, offset) }
    const lines = new TestLog()
    const log = openTestLog(folder, { disk, log: lines })
    const first = log.append(event())
    full = true
    for (let round = 0; round < 3; round++) expect(() => log.append(event())).toThrow(unwritable)
    expect(log).toMatchObject({ writable: false, head: first })
    full = false
    log.append(event())
    closeSync(device)
    expect(log.writable).toBe(true)
    expect(lines.lines).toEqual(['audit trail unwritable', 'audit trail writable again'])
    expect(await log.verify()).toMatchObject({ ok: true, records: 2 })
  })

  it.skipIf(!mountable)('never leaves half a line, neither in segments nor in checkpoints, and needs no restart', async () => {
    const folder = join(tinyDisk(64 * 1024), 'audit')
    const log = openTestLog(folder, { segmentBytes: 16_384 })
    log.setSigner(await testSigner())
    let refused = 0
    for (let index = 0; index < 400; index++) {
      try {
        log.append(event('github', { text: 'x'.repeat((index * 37) % 900) }))
      } catch (error) {
        expect(error).toEqual(unwritable)
        refused += 1
      }
      if (index % 50 === 0) await log.checkpoint()
    }
    expect(refused).toBeGreaterThan(100)
    expect(await verifyFolder(folder)).toMatchObject({ ok: true, records: log.head.seq })
    writeFileSync(join(temporaryFolder(), 'moved-away'), readFileSync(join(folder, '000001.jsonl')))
    // Room comes back: here by taking the disk's first file away, which verify then rightly misses.
    rmSync(join(folder, '000001.jsonl'))
    const { seq } = log.head
    log.append(event())
    expect(log).toMatchObject({ writable: true, head: { seq: seq + 1 } })
    await log.close()
  })
})

describe('checkpoints on a full disk', () => {
  it.skipIf(!mountable)('are whole lines or none', async () => {
    const folder = tinyDisk(32 * 1024)
    const add = async (): Promise<void> => {
      for (let index = 0; index < 1000; index++) await appendCheckpoint(folder, `a.${'b'.repeat(300)}.c`)
    }
    await expect(add()).rejects.toThrow(/ENOSPC/)
    const content = readFileSync(join(folder, 'checkpoints.jsonl'), 'utf8')
    expect(content.length).toBeGreaterThan(20_000)
    expect(content.split('\n').at(-1)).toBe('')
  })
})

describe('a disk that fails at random', () => {
  it('leaves a whole trail of exactly the records that were acknowledged', async () => {
    type Fault = 'none' | 'nothing' | 'half' | 'all but one' | 'sync' | 'open' | 'no way back'
    const faults = fc.array(fc.constantFrom<Fault>('none', 'none', 'nothing', 'half', 'all but one', 'sync', 'open', 'no way back'), {
      minLength: 5,
      maxLength: 40,
    })
    await fc.assert(
      fc.asyncProperty(faults, fc.boolean(), async (plan, reopen) => {
        const folder = temporaryFolder()
        let fault: Fault = 'none'
        const fail = (): never => {
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
        }
        const disk: Disk = {
          ...systemDisk,
          open: (file) => (fault === 'open' ? fail() : systemDisk.open(file)),
          write(descriptor, bytes, offset) {
            if (fault === 'none' || fault === 'sync' || fault === 'open') return systemDisk.write(descriptor, bytes, offset)
            if (offset > 0 || fault === 'nothing') return fail()
            const part = fault === 'all but one' ? bytes.length - 1 : Math.floor(bytes.length / 2)
            return systemDisk.write(descriptor, bytes.subarray(0, part), 0)
          },
          sync: (descriptor) => (fault === 'sync' ? fail() : systemDisk.sync(descriptor)),
          truncate: (descriptor, size) => (fault === 'no way back' ? fail() : systemDisk.truncate(descriptor, size)),
        }
        let log = openTestLog(folder, { disk, sync: 'each', segmentBytes: 4096 })
        const acknowledged: number[] = []
        for (const [index, next] of plan.entries()) {
          fault = next
          try {
            log.append(event('github', { index, text: 'x'.repeat(400) }))
            acknowledged.push(index)
          } catch (error) {
            expect(error).toEqual(unwritable)
          }
        }
        if (reopen) log = openTestLog(folder, { segmentBytes: 4096 })
        fault = 'none'
        log.append(event('github', { index: 1000 }))
        const kept = (await all(log.query({ type: 'server.started' }))).map((record) =>
          'detail' in record ? record.detail?.['index'] : undefined,
        )
        expect(kept).toEqual([...acknowledged, 1000])
        expect((await log.verify()).problems).toEqual([])
        await log.close()
      }),
      { numRuns: cases(60) },
    )
  })

  it('at the start delays the repair of a torn tail, but not the start', async () => {
    const folder = temporaryFolder()
    openTestLog(folder).append(event())
    const whole = textOf(folder)
    writeFileSync(join(folder, '000001.jsonl'), `${whole}{"seq":2,"ti`)
    let broken = true
    const disk: Disk = {
      ...systemDisk,
      open(file) {
        if (broken) throw new Error('EROFS: read-only file system')
        return systemDisk.open(file)
      },
    }
    const log = openTestLog(folder, { disk })
    expect(log.writable).toBe(false)
    expect(() => log.append(event())).toThrow(unwritable)
    expect(textOf(folder)).toBe(`${whole}{"seq":2,"ti`)
    broken = false
    log.append(event())
    expect(await all(log.query({}))).toMatchObject([{ seq: 1 }, { seq: 2, type: 'trail.repaired' }, { seq: 3 }])
    expect((await log.verify()).ok).toBe(true)
  })
})

describe('a writer that is killed', () => {
  it('30 times leaves a trail that verifies after its repair, with every record that was acknowledged', async () => {
    const folder = temporaryFolder()
    const source = (path: string): string => JSON.stringify(join(import.meta.dirname, '../../../src', path))
    const script = `
      const { openAudit } = await import(${source('audit/log.ts')})
      const { systemClock } = await import(${source('core/clock.ts')})
      const quiet = () => undefined
      const log = openAudit({ folder: ${JSON.stringify(folder)}, sync: 'batch', segmentBytes: 200_000, clock: systemClock, log: { debug: quiet, info: quiet, warn: quiet, error: quiet } })
      const { writeSync } = await import('node:fs')
      for (let index = 0; ; index++) {
        const { seq } = log.append({ type: 'server.started', server: 'x', detail: { text: 'y'.repeat((index * 131) % 60_000) } })
        writeSync(1, seq + '\\n')
      }`
    let acknowledged = 0
    for (let round = 0; round < 30; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      const killAfter = 1 + ((round * 7919) % 40)
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        if (output.split('\n').length > killAfter) child.kill('SIGKILL')
      })
      await once(child, 'close')
      acknowledged = Math.max(acknowledged, ...output.split('\n').slice(0, -1).map(Number))
      const log = openTestLog(folder)
      expect(log.head.seq).toBeGreaterThanOrEqual(acknowledged)
      await log.close()
      const report = await verifyFolder(folder)
      expect(report.problems).toEqual([])
    }
    expect(segmentNumbers(folder).length).toBeGreaterThan(1)
    expect(acknowledged).toBeGreaterThan(300)
  }, 60_000)
})
