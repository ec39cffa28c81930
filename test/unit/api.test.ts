import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CONTROL, frame, frameReader, MAX_FRAME, MESSAGE, readResponse, RESPONSE, responseFrame } from '../../src/api/frames.js'

describe('frames', () => {
  it('come out as they went in, whatever the borders of the chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(CONTROL, MESSAGE), fc.uint8Array({ maxLength: 300 })), { maxLength: 20 }),
        fc.integer({ min: 1, max: 64 }),
        (messages, size) => {
          const stream = Buffer.concat(messages.map(([kind, payload]) => frame(kind, payload)))
          const seen: [number, Uint8Array][] = []
          const read = frameReader((kind, payload) => seen.push([kind, Uint8Array.from(payload)]))
          for (let start = 0; start < stream.length; start += size) read(stream.subarray(start, start + size))
          expect(seen).toEqual(messages)
        },
      ),
    )
  })

  it('carry the id of an answer beside its bytes', () => {
    const seen: { id: string; message: Buffer }[] = []
    const read = frameReader((kind, payload) => {
      expect(kind).toBe(RESPONSE)
      seen.push(readResponse(payload))
    })
    read(responseFrame('"ä"', '{"id":"ä","result":{}}'))
    expect(seen.map(({ id, message }) => [id, message.toString()])).toEqual([['"ä"', '{"id":"ä","result":{}}']])
  })

  it.each([
    ['over the cap', MAX_FRAME + 1],
    ['empty', 0],
  ])('that are %s end the stream', (_, length) => {
    const head = Buffer.alloc(5)
    head.writeUInt32BE(length, 0)
    expect(() => frameReader(() => undefined)(head)).toThrow(RangeError)
  })
})
