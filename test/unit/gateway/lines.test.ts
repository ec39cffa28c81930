import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineReader } from '../../../src/gateway/lines.ts'

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
})
