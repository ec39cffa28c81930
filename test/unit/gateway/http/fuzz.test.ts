import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JitError } from '../../../../src/core/errors.ts'
import { metaKeys, readPost, revisionOf } from '../../../../src/gateway/http/post.ts'
import { eventText } from '../../../../src/gateway/http/sse.ts'
import { classify } from '../../../../src/gateway/protocol/jsonrpc.ts'
import { EventStream } from '../../../../src/gateway/upstream/http/event-stream.ts'
import { cases } from '../../../support/cases.ts'

const limits = { depth: 32, keys: 1000, messageBytes: 1 << 20 }
const id = fc.oneof(fc.nat(4), fc.constantFrom('0', 'a', ''), fc.integer())
const message = fc.oneof(
  { weight: 30, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), id, method: fc.constantFrom('ping', 'tools/call') }) },
  fc.record({ jsonrpc: fc.constant('2.0'), id, method: fc.constant('initialize') }),
  { weight: 4, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), method: fc.constantFrom('notifications/x', 'ping') }) },
  { weight: 2, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), id, result: fc.constant({}) }) },
  fc.record({
    jsonrpc: fc.constant('2.0'),
    id,
    method: fc.constant('ping'),
    params: fc.record({ _meta: fc.oneof(fc.jsonValue(), fc.record({ [metaKeys.version]: fc.jsonValue() })) }),
  }),
  fc.jsonValue(),
)

describe('whatever a client posts', () => {
  it('an array is taken for just the ids that a naive reader finds in it, or refused', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.constantFrom('', ' ', '\n\t'), (elements, before) => {
        const text = before + JSON.stringify(elements)
        const expected = naiveIds(elements)
        const got = ((): unknown => {
          try {
            return readPost(Buffer.from(text), limits).ids
          } catch (error) {
            return error
          }
        })()
        if (Array.isArray(got)) expect(got).toEqual(expected)
        else {
          const error = got
          expect(error).toBeInstanceOf(JitError)
          // What the scanner refuses is nothing that the naive reader knows of.
          if (isPlain(text)) expect(expected).toBeUndefined()
        }
      }),
      { numRuns: cases(500) },
    )
  })

  it('bytes of any kind are refused as a message, and break nothing', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      fc.tuple(message, fc.nat(), fc.nat(255)).map(([value, place, byte]) => {
        const text = Buffer.from(JSON.stringify(value))
        if (text.length > 0) text[place % text.length] = byte
        return text
      }),
    )
    fc.assert(
      fc.property(bytes, (given) => {
        try {
          const { ids } = readPost(given, limits)
          for (const one of ids) expect(() => JSON.parse(one) as unknown).not.toThrow()
        } catch (error) {
          expect(error).toBeInstanceOf(JitError)
        }
      }),
      { numRuns: cases(500) },
    )
  })
})

describe('an event', () => {
  it('is read as it was written, wherever the network cut it', () => {
    const data = fc.oneof(
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.jsonValue().map((value) => JSON.stringify(value, null, 2)),
      fc
        .string({ minLength: 1, unit: fc.constantFrom('a', '\r', '\n', ' ', ':', 'data: x', '{', 'é') })
        .filter((text) => /[^\r\n]/.test(text)),
    )
    fc.assert(
      fc.property(fc.array(data, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(), { maxLength: 6 }), (texts, cuts) => {
        const bytes = Buffer.from(texts.map((text, index) => eventText(text, { id: String(index), event: 'message' })).join(''))
        const got: string[] = []
        const stream = new EventStream(1 << 20, {
          onEvent: (_, event) => got.push(event.toString('utf8')),
          onTooLong: () => got.push('too long'),
          onRetry: () => got.push('retry'),
        })
        let start = 0
        for (const cut of [...cuts.map((place) => place % (bytes.length + 1)).sort((one, other) => one - other), bytes.length]) {
          stream.read(bytes.subarray(start, cut))
          start = cut
        }
        expect(got).toEqual(texts.map((text) => Buffer.from(text.split(/[\r\n]+/).join(' ')).toString('utf8')))
        expect(stream.lastId).toBe(String(texts.length - 1))
      }),
      { numRuns: cases(500) },
    )
  })
})

/** The ids that are to be answered, as somebody would find them who trusts the sender; undefined for a batch to refuse. */
function naiveIds(elements: readonly unknown[]): string[] | undefined {
  const messages = elements.map((element) => classify(element))
  const ids: string[] = []
  for (const one of messages) {
    if (one === undefined || revisionOf(one) !== undefined) return undefined
    if (one.kind !== 'request') continue
    if (one.method === 'initialize') return undefined
    ids.push(JSON.stringify(one.id))
  }
  return messages.length === 0 || new Set(ids).size < ids.length ? undefined : ids
}

/** Without what the scanner has an opinion on: odd keys, large numbers. */
function isPlain(text: string): boolean {
  return !/__proto__|constructor|prototype|\d{15}|e[+-]?\d|\\u/i.test(text) && !hasTwins(JSON.parse(text.trim()))
}

function hasTwins(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const keys = Object.keys(value).map((key) => key.toLowerCase().normalize('NFKC'))
  return (!Array.isArray(value) && new Set(keys).size < keys.length) || Object.values(value).some(hasTwins)
}
