import { describe, expect, it } from 'vitest'
import { ask, type Bench, call, shareBench, token } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

describe('a request of a server', () => {
  it('gets the token of the call in flight whose rule it meets', async () => {
    const lane = await bench.lane()
    const mine = call(['GET /repos/acme/web/issues/42 ?page'])
    bench.upstream.answer = (_, response) => response.setHeader('x-github-request-id', 'ABC:1').end('{"number":42}')
    const end = lane.begin(mine)
    const answer = await ask(lane, { path: '/repos/acme/web/issues/42?page=2' })
    end()
    expect(answer).toMatchObject({ status: 200, body: '{"number":42}' })
    expect(bench.upstream.journal).toMatchObject([
      { method: 'GET', url: '/repos/acme/web/issues/42?page=2', headers: { authorization: `Bearer ${token}`, host: 'api.test' } },
    ])
    expect(mine.sent).toMatchObject([
      { method: 'GET', url: 'https://api.test/repos/acme/web/issues/42?page=2', status: 200, requestId: 'ABC:1' },
    ])
    expect(bench.refusals()).toEqual([])
    lane.close()
  })

  it('gets nothing when no call is in flight', async () => {
    const lane = await bench.lane()
    const answer = await ask(lane, { path: '/repos/acme/web/issues/42' })
    expect(answer.status).toBe(403)
    expect(JSON.parse(answer.body)).toEqual({ message: 'jit: no call in flight (GET /repos/acme/web/issues/42)' })
    expect(bench.audit.ofType('egress.refused')).toMatchObject([
      {
        server: 'github',
        reason: 'no call in flight',
        request: { method: 'GET', origin: 'https://api.test', path: '/repos/acme/web/issues/42' },
      },
    ])
    expect(bench.upstream.journal).toEqual([])
  })
})
