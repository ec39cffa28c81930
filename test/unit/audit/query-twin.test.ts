import fc from 'fast-check'
import { expect, it } from 'vitest'
import { matcher } from '../../../src/audit/query.ts'
import { cases } from '../../support/cases.ts'

const word = fc.constantFrom('github', 'git', 'get_issue', 'a"b', 'a\\', 'é', '', '","server":"github', 'ok', 'call.close', 'toString')
const names = ['type', 'server', 'tool', 'call', 'result'] as const

it('a filter lets through just the records that a naive reader of their fields would', () => {
  const record = fc.record({
    seq: fc.nat(),
    time: fc.constant('2026-11-21T00:00:00.000Z'),
    type: fc.constantFrom('call.close', 'call.intent', 'daemon.started'),
    server: word,
    tool: word,
    call: word,
    result: word,
    detail: fc.dictionary(word, word, { maxKeys: 3 }),
  })
  const filter = fc.record(
    { type: fc.constantFrom('call.close', 'daemon.started'), server: word, tool: word, call: word, result: word },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(record, filter, (given, wanted) => {
      const expected = names.every((name) => wanted[name] === undefined || given[name] === wanted[name])
      expect(matcher(wanted)(Buffer.from(JSON.stringify(given))) !== undefined).toBe(expected)
    }),
    { numRuns: cases(1000) },
  )
})
