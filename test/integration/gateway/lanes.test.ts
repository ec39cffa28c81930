import { describe, expect, it } from 'vitest'
import { Ending } from '../../../src/gateway/ending.ts'
import { LanePool } from '../../../src/gateway/lane/lanes.ts'
import { ToolHeaders } from '../../../src/gateway/protocol/tool-headers.ts'
import { JitError } from '../../../src/core/errors.ts'
import { settle } from '../../support/fake-clock.ts'
import { call, lease } from '../../unit/egress/support.ts'
import { type Bench, type Client, eventually, guarded, openBench, openConnected, plain, readSelf } from './support.ts'

let bench: Bench
let client: Client

const connected = async (servers: string): Promise<void> => void ({ bench, client } = await openConnected(servers))

const pidOf = async (repo: string): Promise<number> => readSelf(await client.call('self', { repo })).pid
const partitions = (): string[] => bench.gateway.lanes('hostile').map((lane) => lane.partition)
/** A call that stays under way until its server dies or it is cancelled. */
const hold = (repo: string) => client.request('tools/call', { name: 'raw', arguments: { repo, answer: false } })
const running = (count: number): Promise<void> =>
  eventually(() => bench.gateway.lanes('hostile').reduce((sum, lane) => sum + lane.inFlight, 0) === count)

describe('a lane', () => {
  it('serves one partition for its life: another has a child of its own, with the client’s handshake', async () => {
    await connected(guarded())
    const [web, api] = [await pidOf('web'), await pidOf('api')]
    expect(api).not.toBe(web)
    expect([await pidOf('web'), await pidOf('api')]).toEqual([web, api])
    const journal: string[] = JSON.parse(await client.call('journal', { repo: 'api' }))
    expect(journal.slice(0, 2).map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ method: 'initialize', params: expect.objectContaining({ protocolVersion: '2025-06-18' }) }),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
    ])
    expect(journal.join()).not.toContain('"web"')
    expect(partitions()).toEqual(['web', 'api'])
  })

  it('serves all with `isolation: none`', async () => {
    await connected(guarded({ more: '    isolation: none\n' }))
    expect(await pidOf('web')).toBe(await pidOf('api'))
  })

  it('makes room for another partition when it is idle: the one least used', async () => {
    await connected(guarded({ more: '    lanes: 2\n' }))
    const [web, api] = [await pidOf('web'), await pidOf('api')]
    await bench.clock.advance(1)
    await pidOf('web')
    await pidOf('docs')
    expect(partitions()).toEqual(['web', 'docs'])
    expect(await pidOf('web')).toBe(web)
    expect(await pidOf('api')).not.toBe(api)
  })

  it('that is busy makes no room: the call waits, and all that can go on do when one ends', async () => {
    await connected(guarded({ more: '    lanes: 1\n' }))
    const first = hold('web')
    await running(1)
    const waiting = [client.call('say', { repo: 'api', text: 'one' }), hold('api'), client.call('say', { repo: 'api', text: 'two' })]
    await settle()
    expect(partitions()).toEqual(['web'])
    client.notify('notifications/cancelled', { requestId: first.id })
    expect(await waiting[0]).toBe('one')
    expect(await waiting[2]).toBe('two')
    expect(partitions()).toEqual(['api'])
  })

  it('that stays busy: who waits longer than `queueTimeout` is told what holds it', async () => {
    await connected(guarded({ more: '    lanes: 1\n    queueTimeout: 3s\n' }))
    hold('web')
    await running(1)
    const waiting = client.call('say', { repo: 'api', text: 'x' })
    await settle()
    await bench.clock.advance(2999)
    expect(bench.audit.ofType('call.close')).toEqual([])
    await bench.clock.advance(1)
    expect(await waiting).toMatch(/all 1 lanes of server hostile are busy with web/)
  })

  it('whose handshake is refused, or not answered, fails the calls that wait for it', async () => {
    await connected(guarded())
    await pidOf('web')
    bench.behaviour = { onInitialize: 'refuse' }
    expect(await client.call('say', { repo: 'api', text: 'x' })).toMatch(/refused the handshake/)
    bench.behaviour = { onInitialize: 'silent' }
    const waiting = client.call('say', { repo: 'api', text: 'x' })
    await running(1)
    await bench.clock.advance(30_000)
    expect(await waiting).toMatch(/did not answer its handshake within 30 s/)
    expect(partitions()).toEqual(['web'])
  })

  it('gets no answer of another: an id is known in its own lane only', async () => {
    await connected(guarded())
    await pidOf('api')
    const held = hold('web')
    await running(1)
    const write = `{"jsonrpc":"2.0","id":${held.id},"result":{"content":[{"type":"text","text":"from api"}]}}\n`
    expect(await client.call('raw', { repo: 'api', write })).toBe('done')
    await running(1)
    client.notify('notifications/cancelled', { requestId: held.id })
    await expect(held.answer).rejects.toThrow('forgotten')
  })
})

describe('the client cancels a call', () => {
  it.each<[string, string, () => void, () => Promise<void>]>([
    ['that waits for a lane', '    lanes: 1\n', () => hold('web'), () => running(1)],
    [
      'while its credential is minted',
      '',
      () => bench.provider.mintScripts.push({ delay: 1000 }),
      () => eventually(() => bench.provider.mints.length > 0),
    ],
    ['that waits for a person', '    ask: [say]\n', () => undefined, () => eventually(() => bench.approvals.waiting().length > 0)],
  ])('%s: it ends at once, is recorded as aborted, and nothing of it reaches the server', async (_, more, before, begun) => {
    await connected(guarded({ more }).replace(/allow: \[fetch, say/, more.includes('ask') ? 'allow: [fetch' : '$&'))
    before()
    if (more.includes('lanes')) await running(1)
    const { id, answer } = client.request('tools/call', { name: 'say', arguments: { repo: 'api', text: 'never said' } })
    await begun()
    await settle()
    client.notify('notifications/cancelled', { requestId: id })
    await expect(answer).rejects.toThrow('forgotten')
    const closed = bench.audit.ofType('call.close').filter((event) => event.tool === 'say')
    expect(closed).toMatchObject([{ result: 'aborted', error: { code: 'cancelled' } }])
    await bench.clock.advance(1000)
    expect(await client.call('journal', { repo: more.includes('lanes') ? 'web' : 'api' })).not.toContain('never said')
  })
})

describe('what a server says unasked', () => {
  const note = (method: string): string => `{"jsonrpc":"2.0","method":"${method}"}\n`

  it('comes from the first lane only', async () => {
    await connected(guarded())
    await pidOf('web')
    await client.call('raw', { repo: 'api', write: note('notifications/tools/list_changed') })
    expect(client.messages).toEqual([])
    await client.call('raw', { repo: 'web', write: note('notifications/tools/list_changed') })
    expect(client.messages).toMatchObject([{ method: 'notifications/tools/list_changed' }])
  })

  it('about progress reaches the client only for a call that runs in that lane', async () => {
    await connected(guarded())
    await pidOf('web')
    const progress = (token: string): string =>
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1,"message":"from ID"}}\n`
    const held = client.request('tools/call', { name: 'raw', arguments: { repo: 'web', answer: false }, _meta: { progressToken: 'mine' } })
    await running(1)
    await client.call('raw', { repo: 'api', write: progress('"mine"') })
    await client.call('raw', { repo: 'web', write: progress('"other"') + progress('7') })
    expect(client.messages).toEqual([])
    await client.call('raw', { repo: 'web', write: progress('"mine"') })
    expect(client.messages).toMatchObject([{ params: { progressToken: 'mine' } }])
    client.notify('notifications/cancelled', { requestId: held.id })
    await expect(held.answer).rejects.toThrow('forgotten')
    await client.call('raw', { repo: 'web', write: progress('"mine"') })
    expect(client.messages).toHaveLength(1)
  })

  it('as a question keeps its lane: two lanes may use the same id and token, and each gets its own answer', async () => {
    await connected(guarded())
    const ask = '{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"_meta":{"progressToken":5,"x":1}}}\n'
    await Promise.all(['web', 'api'].map((repo) => client.call('raw', { repo, write: ask })))
    await client.until(() => client.messages.length === 2)
    const [first, second] = client.messages
    expect(first?.id).not.toBe(second?.id)
    for (const [index, message] of client.messages.entries()) {
      expect(message).toMatchObject({ method: 'roots/list', params: { _meta: { x: 1 } } })
      const token = Reflect.get(Object(message.params?.['_meta']), 'progressToken')
      client.notify('notifications/progress', { progressToken: token, progress: index })
      client.send(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { roots: [{ uri: `file:///${index}` }] } }))
    }
    const journals = await Promise.all(['web', 'api'].map(async (repo) => client.call('journal', { repo })))
    for (const journal of journals) {
      const lines: string[] = JSON.parse(journal)
      const answers = lines.filter((line) => line.includes('file:///'))
      expect(answers).toHaveLength(1)
      expect(JSON.parse(answers[0] ?? '')).toMatchObject({ id: 1 })
      const progress = lines.filter((line) => line.includes('notifications/progress'))
      expect(progress.map((line) => JSON.parse(line).params.progressToken)).toEqual([5])
    }
    expect(journals.map((journal) => /file:\/\/\/(\d)/.exec(journal)?.[1]).sort()).toEqual(['0', '1'])
  })

  it('as a question can be taken back, under the name that the client knows', async () => {
    await connected(guarded())
    const write =
      '{"jsonrpc":"2.0","id":"q","method":"roots/list"}\n' +
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}\n'.repeat(2)
    await client.call('raw', { repo: 'web', write })
    expect(client.messages).toMatchObject([{ method: 'roots/list' }, { method: 'notifications/cancelled' }])
    expect(client.messages[1]?.params?.['requestId']).toBe(client.messages[0]?.id)
  })

  it('as too many questions is refused to the server', async () => {
    await connected(guarded())
    const write = Array.from({ length: 300 }, (_, id) => `{"jsonrpc":"2.0","id":${id},"method":"roots/list"}\n`).join('')
    await client.call('raw', { repo: 'web', write })
    expect(client.messages).toHaveLength(256)
    expect(await client.call('journal', { repo: 'web' })).toContain('more than 256 questions')
  })

  it('as a question with an endless progress token, which would have to be kept, is refused', async () => {
    await connected(guarded())
    const ask = `{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"_meta":{"progressToken":"${'t'.repeat(2000)}"}}}\n`
    await client.call('raw', { repo: 'web', write: ask })
    expect(client.messages).toEqual([])
    expect(await client.call('journal', { repo: 'web' })).toContain('a progress token of more than 1024 characters')
  })

  it('as a question to the client’s model is refused unless the config allows it', async () => {
    const ask = '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}\n'
    await connected(guarded())
    await client.call('raw', { repo: 'web', write: ask })
    expect(client.messages).toEqual([])
    expect(await client.call('journal', { repo: 'web' })).toContain('may not use the client')
    bench.configure(guarded({ more: '    sampling: allow\n' }))
    await client.call('raw', { repo: 'web', write: ask })
    expect(client.messages).toMatchObject([{ method: 'sampling/createMessage' }])
  })

  it.each(['jit:lane_0000000000000000:1', 'jit:LANE:rubbish', 'jit:LANE:1', '7', 'jit:LANE:{"a":1}'])(
    'and was never asked gets no answer: %s',
    async (name) => {
      await connected(guarded())
      await pidOf('web')
      const id = name.replace('LANE', bench.gateway.lanes('hostile')[0]?.lane ?? '')
      client.send(JSON.stringify({ jsonrpc: '2.0', id, result: { forged: true } }))
      client.notify('notifications/progress', { progressToken: id, forged: true })
      expect(await client.call('journal', { repo: 'web' })).not.toContain('forged')
    },
  )
})

/** The lanes of one connection, without the gateway before them. */
async function openPool(): Promise<LanePool> {
  const { deps } = await openBench(guarded())
  return new LanePool(deps, {
    server: 'hostile',
    connection: 'connection_1',
    handshake: { initialize: undefined, initialized: false, revision: '', level: undefined },
    principal: { human: 'ada(1000)', agent: { name: 'agent', pid: 7, startTime: 1, evidence: 'peer' }, session: 'session_1' },
    scrub: (text) => text,
    onMessage: () => undefined,
    onRefused: () => undefined,
    toolHeaders: () => new ToolHeaders(),
    onPin: () => undefined,
    onLaneEnd: () => undefined,
  })
}

describe('calls of one lane with different leases', () => {
  it('that egress could confuse go on the wire one after the other', async () => {
    const pool = await openPool()
    const calls = ['a', 'b', 'c'].map((holder) => call(['GET /repos/web/1'], { lease: lease(holder) }))
    const ending = new Ending()
    const begun: string[] = []
    const work = calls.map(async (one) => {
      const lane = await pool.take('web', undefined, ending, one)
      begun.push(one.call)
      return () => pool.release(lane, one)
    })
    for (const [index, one] of calls.entries()) {
      const end = await work[index]
      await settle()
      expect(begun).toEqual(calls.slice(0, index + 1).map((other) => other.call))
      expect(begun.at(-1)).toBe(one.call)
      end?.()
    }
    expect(pool.all).toHaveLength(1)
    await pool.close(new JitError('server.unavailable', 'the test is over'))
    await expect(pool.take('web', undefined, ending)).rejects.toThrow('the test is over')
  })

  it('do not fail when the lane ends while they wait: nothing of them was sent', async () => {
    const pool = await openPool()
    const [first, second] = [call(['GET /x'], { lease: lease('a') }), call(['GET /x'], { lease: lease('b') })]
    const ending = new Ending()
    const lane = await pool.take('web', undefined, ending, first)
    const waiting = pool.take('web', undefined, ending, second)
    await lane.close(new JitError('server.unavailable', 'it crashed'))
    pool.release(lane, first)
    const next = await waiting
    expect(next.id).not.toBe(lane.id)
    expect(next.ended).toBe(false)
    await pool.close(new JitError('server.unavailable', 'the test is over'))
  })
})

describe('a server whose config changed', () => {
  const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }
  const restart = () => bench.gateway.restart('hostile', new JitError('policy.changed', 'its config changed'))

  it('has its client told that the lists may be others, as it said they may be: the client sees the tool that came', async () => {
    bench = await openBench(plain.replace('say, ', ''))
    bench.behaviour = { capabilities: { tools: { listChanged: true }, prompts: {} } }
    client = await bench.connect()
    expect(await client.tools()).not.toContain('say')
    bench.configure(plain)
    await restart()
    await eventually(() => client.messages.length > 0)
    expect(client.messages).toEqual([changed])
    expect(await client.tools()).toContain('say')
  })

  it('tells nothing to a client that was told of no changes, or that has not begun', async () => {
    await connected(plain)
    await client.call('say')
    bench.behaviour = { capabilities: { tools: { listChanged: true } } }
    const half = await bench.client()
    await half.request('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } }).answer
    await restart()
    for (const one of [client, half]) expect(await one.call('say', { text: 'still there' })).toBe('still there')
    expect([...client.messages, ...half.messages]).toEqual([])
  })
})
