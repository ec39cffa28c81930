import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineReader } from '../../../src/shim/client.js'

function split(text: Buffer, sizes: readonly number[], cap = 1000): { lines: string[]; long: [string, number][] } {
  const lines: string[] = []
  const long: [string, number][] = []
  const read = lineReader(
    cap,
    (line) => void lines.push(line.toString('latin1')),
    (head, bytes) => void long.push([head.toString('latin1'), bytes]),
  )
  for (let start = 0, turn = 0; start < text.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    read(text.subarray(start, start + size))
    start += size
  }
  return { lines, long }
}

describe('lines of a client', () => {
  it('come out as they went in, byte for byte, whatever the borders of the chunks', () => {
    const line = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10)).toString('latin1'))
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }), (lines, sizes) => {
        const stream = Buffer.from(lines.map((text) => `${text}\n`).join(''), 'latin1')
        expect(split(stream, sizes).lines).toEqual(lines.filter((text) => text !== ''))
      }),
    )
  })

  it.each([
    ['at the cap', 10, ['x'.repeat(10), 'next'], []],
    ['over the cap', 11, ['next'], [11]],
    ['far over the cap', 5000, ['next'], [5000]],
  ])('%s are kept or reported by their length', (_, length, lines, long) => {
    for (const size of [1, 3, 7, 10_000]) {
      const found = split(Buffer.from(`${'x'.repeat(length)}\nnext\n`), [size], 10)
      expect(found.lines).toEqual(lines)
      expect(found.long.map(([, bytes]) => bytes)).toEqual(long)
    }
  })

  it('keep no more of a line over the cap than its first chunk', () => {
    const { long } = split(Buffer.from(`{"id":7}${'x'.repeat(5000)}\n`), [100], 1000)
    expect(long).toEqual([[`{"id":7}${'x'.repeat(92)}`, 5008]])
  })

  it('cost the same for each byte, however many chunks a line comes in', () => {
    const chunk = Buffer.alloc(1024, 'x')
    const read = lineReader(
      64 * 1024 * 1024,
      () => undefined,
      () => undefined,
    )
    const rounds = (count: number): number => {
      const started = performance.now()
      for (let round = 0; round < count; round += 1) read(chunk)
      read(Buffer.from('\n'))
      return performance.now() - started
    }
    rounds(1000)
    // Joining at each chunk would copy 8 GB here.
    expect(rounds(16_384)).toBeLessThan(2000)
  })
})
