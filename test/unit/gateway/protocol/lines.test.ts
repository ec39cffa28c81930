import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineReader } from '../../../../src/gateway/protocol/lines.ts'

describe('lineReader', () => {
  it('gives the same lines wherever the chunks are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-zäö"{}]{0,20}$/)), fc.integer({ min: 1, max: 9 }), (lines, size) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
        const seen: string[] = []
        const read = lineReader(
          1000,
          (line) => seen.push(line.toString()),
          () => seen.push('too long'),
        )
        for (let start = 0; start < bytes.length; start += size) read(bytes.subarray(start, start + size))
        expect(seen).toEqual(lines)
      }),
    )
  })

  it('passes over a line beyond the cap in bounded memory and reads the next', () => {
    const seen: string[] = []
    const read = lineReader(
      10,
      (line) => seen.push(line.toString()),
      (bytes, head) => seen.push(`${bytes} bytes, ${head.toString('utf8', 0, 3)}`),
    )
    for (const chunk of ['abc', 'd'.repeat(20), 'e'.repeat(20), '\nnext\n']) read(Buffer.from(chunk))
    expect(seen).toEqual(['43 bytes, abc', 'next'])
  })

  it('keeps a line that comes byte by byte in little more than its length', () => {
    const before = process.memoryUsage()
    let seen = ''
    const read = lineReader(
      10_000_000,
      (line) => (seen = line.toString()),
      () => undefined,
    )
    // Each piece as it comes from a pipe: with memory of its own.
    for (let sent = 0; sent < 1_000_000; sent += 1) read(Buffer.from(new Uint8Array([97 + (sent % 26)]).buffer))
    const { heapUsed, external } = process.memoryUsage()
    expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(100_000_000)
    read(Buffer.from('\n'))
    expect(seen).toHaveLength(1_000_000)
    expect(seen.startsWith('abc')).toBe(true)
    expect(seen.slice(1024 * 26, 1024 * 26 + 3)).toBe('abc')
  })
})
