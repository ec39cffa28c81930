import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { readBlock, readClosely, readPlain } from '../../../src/audit/block.ts'
import { firstHash, RecordBuffer } from '../../../src/audit/record.ts'
import { termOf } from '../../../src/audit/terms.ts'
import { cases } from '../../support/cases.ts'

const word = fc.oneof(
  fc.constantFrom(
    'a',
    'call',
    'lease_1',
    'token',
    '{',
    '}',
    ':',
    ',',
    '","',
    'ü',
    '\\',
    '\n',
    '00-0af7651916cd43dd8448eb211c80319c-1-01',
    '',
  ),
  fc.string({ maxLength: 12 }),
)
const name = fc.oneof(fc.constantFrom('id', 'token', 'upstreamHash', 'call', 'server', 'trace', 'traceparent', 'turn', 'x'), word)
const value = fc.letrec((tie) => ({
  any: fc.oneof({ maxDepth: 3 }, word, fc.integer(), fc.constant(null), tie('object'), fc.array(tie('any'), { maxLength: 3 })),
  object: fc.dictionary(name, tie('any'), { maxKeys: 4 }),
}))
const event = fc.record(
  {
    type: fc.constantFrom('call.intent', 'call.close', 'lease.issued'),
    call: word,
    server: word,
    tool: word,
    result: word,
    principal: fc.record({ session: word, agent: value.any }, { requiredKeys: [] }),
    lease: value.object,
    trace: fc.oneof(fc.dictionary(name, word, { maxKeys: 5 }), value.any),
    arguments: value.any,
  },
  { requiredKeys: ['type'] },
) as fc.Arbitrary<object> as fc.Arbitrary<AuditEvent>
/** Some at the same time. */
const block = fc.array(fc.tuple(event, fc.nat({ max: 2 })), { maxLength: 12 }).map(bytesOf)

function bytesOf(entries: readonly (readonly [AuditEvent, number])[]): Buffer {
  const records = new RecordBuffer()
  for (const [index, [made, minute]] of entries.entries())
    records.add({ event: made }, index + 1, new Date(Date.UTC(2026, 10, 21, 12, minute)).toISOString(), firstHash)
  return Buffer.from(records.bytes)
}

const plain = { type: 'server.started', server: 'github', detail: {} } as const

describe('a block of the trail', () => {
  it('read without parsing it has all terms that its records have, and their times', () => {
    let without = 0
    fc.assert(
      fc.property(block, (bytes) => {
        const quick = readPlain(bytes)
        const close = readClosely(bytes)
        expect(readBlock(bytes)).toEqual(quick ?? close)
        if (quick === undefined) return
        without += 1
        expect([...quick.terms]).toEqual(expect.arrayContaining([...close.terms]))
        expect({ ...quick, terms: 0 }).toEqual({ ...close, terms: 0 })
      }),
      { numRuns: cases(300) },
    )
    expect(without).toBeGreaterThan(0)
  })

  it('is not parsed when all is plain in it, traces included', () => {
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01', turn: 'turn 7' }
    const bytes = bytesOf(Array.from({ length: 9 }, () => [{ ...plain, trace } as AuditEvent, 0] as const))
    const terms = readPlain(bytes)?.terms
    for (const id of [...Object.values(trace), '0af7651916cd43dd8448eb211c80319c']) expect(terms).toContain(termOf('trace', id))
    expect(terms).toContain(termOf('server', 'github'))
  })

  it.each<[what: string, bytes: Buffer]>([
    ['an escape', bytesOf([[{ ...plain, server: 'a"b' }, 0]])],
    ['a letter beyond ASCII', bytesOf([[{ ...plain, server: 'ü' }, 0]])],
    ['a line that the log did not write', Buffer.concat([bytesOf([[plain, 0]]), Buffer.from('{"type":"call.close"}\n')])],
    ['half a line', bytesOf([[plain, 0]]).subarray(0, 30)],
    ['a trace that has objects in it', bytesOf([[{ ...plain, trace: { turn: { id: 'x' } } } as AuditEvent, 0]])],
    ['a trace with a brace in a value', bytesOf([[{ ...plain, trace: { turn: 'a}b', baggage: 'user=eve' } } as AuditEvent, 0]])],
    [
      'more ids than a record is found by',
      bytesOf([[{ ...plain, detail: { all: Array.from({ length: 99 }, (_, id) => ({ id: `${id}` })) } }, 0]]),
    ],
  ])('with %s is looked at line by line', (_, bytes) => {
    expect(readPlain(bytes)).toBeUndefined()
    expect(readBlock(bytes)).toEqual(readClosely(bytes))
  })
})
