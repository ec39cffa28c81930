import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { ask, type Bench, call, lease, listen, placeholder, rule, secure, shareBench, tunnel } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const path = '/repos/acme/web'
const get = `GET ${path}`

/** The upstream's side of the next request, when it has arrived; nothing is answered to it yet. */
function arrival(): Promise<ServerResponse> {
  return new Promise((resolve) => {
    bench.upstream.answer = (_, response) => resolve(response)
  })
}

/** How a request ended: its status, or that its connection broke. */
async function outcome(asked: Promise<{ status: number }>): Promise<number | 'broken'> {
  return asked.then(({ status }) => status).catch(() => 'broken' as const)
}

/** A request under way whose answer has begun: both of its ends. */
async function streaming(lane: LaneNetwork): Promise<{ answer: ServerResponse; client: Promise<'broken'> }> {
  const arrived = arrival()
  const socket = await secure(lane)
  const received = listen(socket)
  const client = new Promise<'broken'>((resolve) => socket.once('close', () => resolve('broken')))
  socket.write(`${get} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\n\r\n`)
  const answer = await arrived
  answer.write('first')
  await received.until('first')
  return { answer, client }
}

describe('a request', () => {
  it('gets nothing before its call begins, and nothing after it has ended', async () => {
    const lane = await bench.lane()
    const socket = await secure(lane)
    const status = async (): Promise<number> => (await ask(lane, { path, socket })).status
    expect(await status()).toBe(403)
    const end = lane.begin(call([get]))
    expect(await status()).toBe(200)
    end()
    expect(await status()).toBe(403)
    expect(bench.refusals()).toEqual(['no call in flight', 'no call in flight'])
    expect(bench.upstream.journal).toHaveLength(1)
    lane.close()
  })

  it.each<[name: string, stop: (parts: { end: () => void; revoke: () => void; lane: LaneNetwork }) => void]>([
    ['its call ends', ({ end }) => end()],
    ['its lease is revoked', ({ revoke }) => revoke()],
    ['its lane closes', ({ lane }) => lane.close()],
  ])('dies at both ends at once when %s before the answer', async (_, stop) => {
    const lane = await bench.lane()
    const mine = lease()
    const tried = call([get], { lease: mine })
    const end = lane.begin(tried)
    const arrived = arrival()
    const client = outcome(ask(lane, { path }))
    const answer = await arrived
    const gone = once(answer, 'close')
    stop({ end, revoke: mine.revoke, lane })
    expect(await client).toBe('broken')
    await gone
    expect(tried.sent).toMatchObject([{ status: 0 }])
    lane.close()
  })

  it.each<[name: string, stop: (parts: { end: () => void; revoke: () => void; lane: LaneNetwork }) => void]>([
    ['its call ends', ({ end }) => end()],
    ['its lease is revoked', ({ revoke }) => revoke()],
    ['its lane closes', ({ lane }) => lane.close()],
  ])('dies at both ends at once when %s in the middle of the answer', async (_, stop) => {
    const lane = await bench.lane()
    const mine = lease()
    const tried = call([get], { lease: mine })
    const end = lane.begin(tried)
    const { answer, client } = await streaming(lane)
    const gone = once(answer, 'close')
    stop({ end, revoke: mine.revoke, lane })
    expect(await client).toBe('broken')
    await gone
    expect(answer.writableFinished).toBe(false)
    expect(tried.sent).toMatchObject([{ status: 200 }])
    lane.close()
  })

  it('whose body is on its way ends with its answer, so that no upload outlives its lease', async () => {
    const lane = await bench.lane()
    const end = lane.begin(call([`POST ${path}`]))
    let received = 0
    const how = new Promise<string>((resolve) => {
      bench.upstream.answer = (request, response) => {
        request.on('data', (chunk: Buffer) => (received += chunk.length))
        request.once('end', () => resolve('whole'))
        request.socket.once('close', () => resolve('cut'))
        response.end('{"early":true}')
      }
    })
    const socket = await secure(lane)
    const answers = listen(socket)
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\nContent-Length: 1000000\r\n\r\n${'a'.repeat(1000)}`,
    )
    await answers.until('early')
    socket.write('b'.repeat(999_000))
    expect({ how: await how, received }).toEqual({ how: 'cut', received: 1000 })
    end()
    socket.destroy()
    lane.close()
  })

  it('is refused when its call ends while its body is read for a rule', async () => {
    const lane = await bench.lane()
    const end = lane.begin(call([rule(`POST ${path}`, { body: [{ pointer: '/a', value: 1 }] })]))
    const socket = await secure(lane)
    const head = `POST ${path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\nContent-Type: application/json`
    socket.write(`${head}\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n`)
    const answers = listen(socket)
    await answers.until('HTTP/1.1 100 ')
    end()
    socket.write('{"a":1}')
    await answers.until('HTTP/1.1 403 ')
    expect(bench.refusals()).toEqual(['no call in flight'])
    expect(bench.upstream.journal).toEqual([])
    socket.destroy()
    lane.close()
  })

  it('of a client that leaves is cut upstream', async () => {
    const lane = await bench.lane()
    lane.begin(call([get]))
    const arrived = arrival()
    const socket = await secure(lane)
    socket.write(`${get} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\n\r\n`)
    const answer = await arrived
    const gone = once(answer, 'close')
    socket.destroy()
    await gone
    expect(answer.writableFinished).toBe(false)
    lane.close()
  })

  it('gets nothing when its lease had ended already', async () => {
    const lane = await bench.lane()
    const mine = lease()
    const tried = call([get], { lease: mine })
    lane.begin(tried)
    mine.revoke()
    expect((await ask(lane, { path })).status).toBe(403)
    expect(bench.audit.ofType('egress.refused')).toMatchObject([{ reason: 'the lease has ended', call: tried.call }])
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('gets nothing when policy or tool changed since the decision', async () => {
    const lane = await bench.lane()
    let current = true
    const tried = call([get], { current: () => current })
    lane.begin(tried)
    expect((await ask(lane, { path })).status).toBe(200)
    current = false
    expect((await ask(lane, { path })).status).toBe(403)
    expect(bench.audit.ofType('egress.refused')).toMatchObject([{ reason: 'policy or tool changed since the decision', call: tried.call }])
    expect(bench.upstream.journal).toHaveLength(1)
    lane.close()
  })
})

describe('a lane that has closed', () => {
  it('opens no tunnel, serves no kept connection, takes no call, and leaves others alone', async () => {
    const [lane, other] = [await bench.lane(), await bench.lane()]
    const [kept, idle, foreign] = [await secure(lane), await tunnel(lane), await secure(other)]
    const closed = Promise.all([once(kept, 'close'), once(idle, 'close')])
    lane.close()
    lane.close()
    await closed
    lane.begin(call([get]))()
    lane.begin(call([get]))
    await expect(tunnel(lane)).rejects.toThrow('407')
    other.begin(call([get]))
    expect((await ask(other, { path, socket: foreign })).status).toBe(200)
    other.close()
  })
})

describe('several calls in flight', () => {
  it('with different leases are told apart by their rules', async () => {
    const lane = await bench.lane()
    const [first, second] = [
      call([get], { lease: lease('lease_1', 'token-of-the-first-call') }),
      call(['GET /repos/acme/api'], { lease: lease('lease_2', 'token-of-the-second-call') }),
    ]
    lane.begin(first)
    lane.begin(second)
    await ask(lane, { path })
    await ask(lane, { path: '/repos/acme/api' })
    expect(bench.upstream.journal.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-of-the-first-call',
      'Bearer token-of-the-second-call',
    ])
    expect([first.sent.length, second.sent.length]).toEqual([1, 1])
    lane.close()
  })

  it('with different leases whose rules both admit a request get nothing, also when one of them is stale', async () => {
    const lane = await bench.lane()
    const end = lane.begin(call([get], { lease: lease('lease_1') }))
    lane.begin(call(['GET /repos/*/web'], { lease: lease('lease_2'), current: () => false }))
    expect((await ask(lane, { path })).status).toBe(403)
    expect(bench.refusals()).toEqual(['calls with different leases match'])
    expect(bench.upstream.journal).toEqual([])
    end()
    lane.close()
  })

  it('with one lease share it, and each trail tells of its own requests', async () => {
    const lane = await bench.lane()
    const shared = lease()
    const both = [call([get], { lease: shared }), call([get], { lease: shared })]
    for (const one of both) lane.begin(one)
    await Promise.all([ask(lane, { path }), ask(lane, { path })])
    expect(both.map(({ sent }) => sent.length)).toEqual([1, 1])
    expect(bench.refusals()).toEqual([])
    lane.close()
  })

  it('of which one ended leave the other its request, and what is captured for it', async () => {
    const lane = await bench.lane()
    const shared = lease()
    const rules = [rule(get, { capture: { sha: '/head/sha' } }), rule('GET /commits/{sha}')]
    const [first, second] = [call(rules, { lease: shared }), call(rules, { lease: shared })]
    const end = lane.begin(first)
    lane.begin(second)
    const arrived = arrival()
    const asked = ask(lane, { path })
    const answer = await arrived
    end()
    answer.end('{"head":{"sha":"abc"}}')
    expect((await asked).status).toBe(200)
    bench.upstream.answer = (_, response) => response.end('{}')
    expect((await ask(lane, { path: '/commits/abc' })).status).toBe(200)
    expect(second.sent.map(({ url }) => url)).toEqual([`https://api.test${path}`, 'https://api.test/commits/abc'])
    lane.close()
  })

  it('of which one ended take the request with them when no other could have made it', async () => {
    const lane = await bench.lane()
    const shared = lease()
    const end = lane.begin(call([get], { lease: shared }))
    lane.begin(call(['GET /repos/acme/api'], { lease: shared }))
    const { client } = await streaming(lane)
    end()
    expect(await client).toBe('broken')
    lane.close()
  })
})
