import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Outlet } from '../../../src/api/outlet.js'

/** Takes nothing until told to. */
class Reader extends Writable {
  readonly pieces: string[] = []
  #done: (() => void) | undefined

  constructor(highWaterMark = 16) {
    super({ highWaterMark, decodeStrings: true })
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.pieces.push(chunk.toString())
    this.#done = done
  }

  take(): void {
    const done = this.#done
    this.#done = undefined
    done?.()
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('what is sent in one turn', () => {
  it('leaves in one piece and in order, text and bytes alike', async () => {
    const reader = new Reader()
    const outlet = new Outlet(reader)
    outlet.send('one', '\n')
    outlet.send(Buffer.from('zwei – '), 'three')
    expect(reader.pieces).toEqual([])
    await turn()
    expect(reader.pieces).toEqual(['one\nzwei – three'])
  })

  it('is not copied together when it is large', async () => {
    const reader = new Reader(1024 * 1024)
    const outlet = new Outlet(reader)
    const large = 'x'.repeat(65 * 1024)
    outlet.send(Buffer.from(large))
    outlet.send('end')
    await turn()
    reader.take()
    await turn()
    expect(reader.pieces).toEqual([large, 'end'])
  })

  it('leaves before the end', () => {
    const reader = new Reader()
    const outlet = new Outlet(reader)
    outlet.send('answer ')
    outlet.end(Buffer.from('bye'))
    reader.take()
    expect(reader.pieces).toEqual(['answer ', 'bye'])
    expect(reader.writableEnded).toBe(true)
  })

  it('is dropped once the reader is gone', async () => {
    const reader = new Reader()
    const outlet = new Outlet(reader)
    outlet.send('late')
    reader.destroy()
    await turn()
    expect(reader.pieces).toEqual([])
  })

  it('tells who sends when the reader is behind, and a drain follows', async () => {
    const reader = new Reader()
    const outlet = new Outlet(reader)
    outlet.send('more than sixteen bytes')
    await turn()
    expect(outlet.send('more')).toBe(false)
    const drained = new Promise((resolve) => reader.once('drain', resolve))
    await turn()
    reader.take()
    await turn()
    reader.take()
    await drained
    expect(outlet.send('again')).toBe(true)
  })
})
