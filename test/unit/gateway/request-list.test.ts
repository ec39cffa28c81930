import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longestRecord } from '../../../src/audit/cut.ts'
import type { UpstreamRequest } from '../../../src/audit/event.ts'
import { RequestList } from '../../../src/gateway/request-list.ts'

const request = (number: number, more: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  method: 'GET',
  url: `https://api.dev/items/${number}`,
  status: 200,
  requestId: '',
  took: 1,
  ...more,
})

function listOf(requests: Iterable<UpstreamRequest>): ReturnType<RequestList['fields']> {
  const list = new RequestList()
  for (const each of requests) list.add(each)
  return list.fields()
}

function* many(count: number, make = request): Iterable<UpstreamRequest> {
  for (let number = 0; number < count; number += 1) yield make(number)
}

describe('the requests of a call', () => {
  it('are all named up to a hundred, in their order', () => {
    expect(listOf(many(100))).toEqual({ requests: [...many(100)] })
  })

  it('beyond that are the first fifty and the last fifty, and those between are counted by kind', () => {
    const { requests, requestsLeftOut } = listOf(many(100_000, (number) => request(number, { status: number % 2 === 0 ? 200 : 404 })))
    expect(requests.map(({ url }) => Number(url.split('/').at(-1)))).toEqual([
      ...Array.from({ length: 50 }, (_, index) => index),
      ...Array.from({ length: 50 }, (_, index) => 99_950 + index),
    ])
    expect(requestsLeftOut).toEqual({
      count: 99_900,
      after: 50,
      by: [
        { method: 'GET', host: 'api.dev', status: 200, count: 49_950 },
        { method: 'GET', host: 'api.dev', status: 404, count: 49_950 },
      ],
    })
  })

  it('of ever new kinds are counted all the same, fifty kinds by name', () => {
    const { requestsLeftOut } = listOf(many(1000, (number) => request(number, { url: `https://h${number}.dev/` })))
    expect(requestsLeftOut).toMatchObject({ count: 900 })
    expect(requestsLeftOut?.by).toHaveLength(50)
  })

  it('with addresses of any length stay within a record, which would else lose them all; the newest is always named', () => {
    const { requests, requestsLeftOut } = listOf(
      many(1000, (number) => request(number, { url: `https://api.dev/${number}/${'x'.repeat(8000)}` })),
    )
    expect(JSON.stringify({ requests, requestsLeftOut }).length).toBeLessThan(longestRecord / 2)
    expect(requests.length).toBeGreaterThan(8)
    expect(requests.at(-1)?.url).toContain('/999/')
  })

  it('are none lost, whatever they are', () => {
    const some = fc.record({
      method: fc.constantFrom('GET', 'PUT'),
      url: fc.oneof(fc.webUrl(), fc.string(), fc.string({ minLength: 9000, maxLength: 60_000 })),
      status: fc.integer({ min: 0, max: 599 }),
      requestId: fc.string(),
      took: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(some, { maxLength: 300 }), (given) => {
        const { requests, requestsLeftOut } = listOf(given)
        expect(requests.length + (requestsLeftOut?.count ?? 0)).toBe(given.length)
        const { after = requests.length } = requestsLeftOut ?? {}
        expect(requests.slice(0, after)).toEqual(given.slice(0, after))
        expect(requests.slice(after)).toEqual(given.slice(given.length - (requests.length - after)))
      }),
      { numRuns: 50 },
    )
  })
})
