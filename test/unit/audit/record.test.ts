import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CallIntent, CloseFields } from '../../../src/audit/event.ts'
import { type Entry, firstHash, readLink, RecordBuffer } from '../../../src/audit/record.ts'
import { cases } from '../../support/cases.ts'

const time = '2026-11-21T12:00:00.000Z'
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '"', '}', 'call.intent', '\u202e', '\u2028', '\ud800', '\u{e0041}'),
  fc.integer({ min: 1, max: 12_000 }).map((length) => 'x'.repeat(length)),
)

const intents: fc.Arbitrary<CallIntent> = fc.record({
  type: fc.constant('call.intent' as const),
  call: text,
  principal: fc.record({
    human: text,
    agent: fc.record({ name: text, pid: fc.nat(), startTime: fc.nat(), evidence: fc.constant('peer' as const) }),
    session: text,
  }),
  connection: text,
  server: text,
  kind: fc.constant('tool' as const),
  tool: text,
  resource: text,
  digest: text,
  policy: text,
  decision: fc.record({ effect: fc.constant('allow' as const), rule: fc.record({ source: fc.constant('config' as const), path: text }) }),
  arguments: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<string>,
})
const closes: fc.Arbitrary<CloseFields> = fc.record({
  result: fc.constant('error' as const),
  error: fc.record({ code: text, message: text }),
  requests: fc.array(fc.record({ method: text, url: text, status: fc.nat(), requestId: text, took: fc.nat() }), { maxLength: 3 }),
  took: fc.nat(),
})

function lines(...entries: readonly Entry[]): string[] {
  const records = new RecordBuffer()
  let prev = firstHash
  for (const [index, entry] of entries.entries()) prev = records.add(entry, index + 1, time, prev)
  return records.bytes.toString().trimEnd().split('\n')
}

describe('the closing record of a call', () => {
  it('is the same line whether its intent was written before, or it is encoded as a whole', () => {
    fc.assert(
      fc.property(intents, closes, (intent, close) => {
        const [first, repeated] = lines({ event: intent }, { event: intent, close })
        const [, whole] = lines({ event: { ...intent } }, { event: { ...intent, type: 'call.close', ...close } })
        expect(repeated).toBe(whole)
        expect(readLink(Buffer.from(repeated ?? ''))).toMatchObject({
          seq: 2,
          prev: readLink(Buffer.from(first ?? ''))?.hash,
          genuine: true,
        })
        expect(JSON.parse(repeated ?? '')).toMatchObject({ type: 'call.close', result: 'error', took: close.took })
      }),
    )
  })

  it('that comes without an intent holds everything itself', () => {
    fc.assert(
      fc.property(intents, closes, (intent, close) => {
        expect(lines({ event: intent, close })).toEqual(lines({ event: { ...intent, type: 'call.close', ...close } }))
      }),
      { numRuns: cases(30) },
    )
  })
})

describe('records in one buffer', () => {
  it('are the same bytes as one by one, also when the buffer has to grow', () => {
    const events = Array.from({ length: 60 }, (_, index) => ({
      event: { type: 'config.applied' as const, detail: { index, text: 'ä'.repeat(index * 100) } },
    }))
    const together = lines(...events)
    expect(together).toHaveLength(60)
    expect(Buffer.byteLength(together.join('\n'))).toBeGreaterThan(128 * 1024)
    for (const [index, line] of together.entries()) {
      const prev = index === 0 ? firstHash : readLink(Buffer.from(together[index - 1] ?? ''))?.hash
      expect(readLink(Buffer.from(line))).toMatchObject({ seq: index + 1, prev, genuine: true })
    }
  })

  it('are gone after a clear', () => {
    const records = new RecordBuffer()
    records.add({ event: { type: 'daemon.started', detail: {} } }, 1, time, firstHash)
    records.clear()
    expect(records.bytes).toHaveLength(0)
  })
})
