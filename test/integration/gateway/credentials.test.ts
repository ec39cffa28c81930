import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { origin, placeholder } from '../../unit/egress/support.ts'
import { refused } from '../../unit/broker/support.ts'
import { alive, type Bench, type Client, eventually, guarded, openBench, openConnected, plain, readSelf } from './support.ts'

let bench: Bench
let client: Client

const connected = async (servers: string): Promise<void> => void ({ bench, client } = await openConnected(servers))

const env = '{ mode: env, env: { API_TOKEN: "${token}" } }'
const startup = '    startup: { scope: { repository: any }, requests: ["GET /user"] }\n'
const requests = (): (string | undefined)[] => bench.upstream.journal.map(({ url }) => url)
const authorization = (index: number): string | undefined => bench.upstream.journal[index]?.headers.authorization
const startupClosed = () => bench.audit.ofType('call.close').filter((event) => event.tool === '$startup')

describe('a call in mode endpoint', () => {
  it('gets its own token to its own item, and the server holds a placeholder', async () => {
    await connected(guarded())
    expect(await client.call('fetch', { repo: 'web', item: '1' })).toContain('"status":200')
    expect(authorization(0)).toBe(`Bearer ${bench.provider.tokens[0]?.value}`)
    const { env: held } = readSelf(await client.call('self', { repo: 'web' }))
    expect(held).toMatchObject({ API_TOKEN: placeholder, API_REGION: 'north', API_HOME: 'set by the config', API_OTHER_HALF: 'held' })
    expect(bench.audit.ofType('call.close')[0]).toMatchObject({ requests: [{ method: 'GET', url: `${origin}/repos/web/1`, status: 200 }] })
  })

  it('asks as often as the server likes: the record counts all requests, and names a hundred', async () => {
    await connected(guarded())
    expect(await client.call('fetch', { repo: 'web', item: '1', times: 120 })).toContain('"status":200')
    const [closed] = bench.audit.ofType('call.close')
    expect(closed?.requests).toHaveLength(100)
    expect(closed?.requestsLeftOut).toMatchObject({ count: 20, after: 50, by: [{ method: 'GET', status: 200, count: 20 }] })
  })
})

describe('a tool whose definition changes', () => {
  it('between its call and its request upstream: the request gets no credential, and the change is recorded', async () => {
    await connected(guarded())
    await client.tools()
    await client.call('describe', { repo: 'web', text: 'asks the upstream, and sends it your keys' })
    const held = client.call('fetch', { repo: 'web', item: '1', afterList: true })
    await eventually(() => bench.gateway.lanes('hostile').some((lane) => lane.inFlight > 0))
    await client.tools()
    expect(await held).toContain('"status":403')
    expect(requests()).toEqual([])
    expect(bench.audit.ofType('egress.refused')).toMatchObject([{ reason: 'policy or tool changed since the decision' }])
    expect(bench.audit.ofType('server.changed')).toMatchObject([{ detail: { tool: 'fetch' } }])
    expect(await client.call('fetch', { repo: 'web', item: '1' })).toContain('"status":200')
  })

  it('not: a list in the middle of a call changes nothing', async () => {
    await connected(guarded())
    await client.tools()
    const held = client.call('fetch', { repo: 'web', item: '1', afterList: true })
    await eventually(() => bench.gateway.lanes('hostile').some((lane) => lane.inFlight > 0))
    await client.tools()
    expect(await held).toContain('"status":200')
    expect(bench.audit.ofType('server.changed')).toEqual([])
  })
})

describe('the list of tools', () => {
  it('is without the hidden ones on every page, which may be empty and keeps its cursor; none of them can be called', async () => {
    await connected(plain)
    await client.call('describe', { pages: [['hidden', 'Say'], ['say', 'hidden'], ['hidden']] })
    expect([await client.tools(), await client.tools('1'), await client.tools('2')]).toEqual([[], ['say'], []])
    const { result } = await client.request('tools/list').answer
    expect(result?.['nextCursor']).toBe('1')
    for (const name of ['hidden', 'Say', 'say ', 's\u0430y', 'sa\u200by', '']) {
      const { error } = await client.request('tools/call', { name, arguments: { text: 'x' } }).answer
      expect(error).toMatchObject({ code: -32602, message: `Unknown tool: ${name}` })
    }
  })

  it('of a server that the config has no more is refused', async () => {
    await connected(plain)
    bench.configure(plain.replace('hostile', 'other'))
    expect((await client.request('tools/list').answer).error?.message).toMatch(/there is no server "hostile"/)
  })
})

describe('a server in mode env', () => {
  it('is started anew for each scope, with that token in its environment and never in its arguments', async () => {
    await connected(guarded({ inject: env }))
    const [web, api, again] = [
      readSelf(await client.call('self', { repo: 'web' })),
      readSelf(await client.call('self', { repo: 'api' })),
      readSelf(await client.call('self', { repo: 'web' })),
    ]
    expect(web.pid).not.toBe(api.pid)
    expect(again.pid).toBe(web.pid)
    const tokens = bench.provider.tokens.map((token) => token.value)
    expect(tokens).toHaveLength(2)
    // What it answered is scrubbed; the system knows what it really holds.
    expect(environmentOf(web.pid)).toContain(`API_TOKEN=${tokens[0]}`)
    expect(environmentOf(api.pid)).toContain(`API_TOKEN=${tokens[1]}`)
    expect(web.env['API_TOKEN']).toContain('redacted')
    for (const { pid } of [web, api]) for (const token of tokens) expect(commandLineOf(pid)).not.toContain(token)
    const [handshake] = bench.gateway.lanes('hostile')
    expect(environmentOf(handshake?.pid ?? 0)).toContain(`API_TOKEN=${placeholder}`)
  })

  it('gets no part of its token into the log, or into what is said of its end', async () => {
    await connected(guarded({ inject: env }))
    await client.call('self', { repo: 'web' })
    const token = bench.provider.tokens[0]?.value ?? ''
    // The log of the lane and that of its words are cut, at 500 and at 4000 characters.
    const cut = (at: number): string => `${'x'.repeat(at - token.length + 1)}${token}${'y'.repeat(9)}\n`
    await client.call('raw', { repo: 'web', write: cut(500) })
    await client.call('raw', { repo: 'web', write: `{"jsonrpc":"2.0","id":"${token}","result":{}}\n` })
    const many = `${token} `.repeat(Math.ceil(4000 / (token.length + 1)))
    await client.call('raw', { repo: 'web', write: `${many}\n`, to: 'stderr' })
    const said = await client.call('raw', { repo: 'web', exit: 3 })
    expect(said).toContain('last words')
    const part = token.slice(0, 12)
    expect(said).not.toContain(part)
    expect(bench.log.lines.map(({ message }) => message)).toEqual(
      expect.arrayContaining(['server wrote something that is not JSON-RPC', 'answer to no request dropped']),
    )
    expect(JSON.stringify(bench.log.lines)).not.toContain(part)
  })

  it('is ended with its lease', async () => {
    await connected(guarded({ inject: env }))
    const { pid } = readSelf(await client.call('self', { repo: 'web' }))
    const [token] = bench.provider.tokens
    await bench.broker.revoke({ all: true }, 'revoked', 1000)
    expect(token?.revoked).toBe(true)
    await eventually(() => !alive(pid))
    expect(bench.gateway.lanes('hostile')).toHaveLength(1)
    expect(bench.gateway.lastError('hostile')).toBe('')
  })

  it('runs for one call with `lifetime: call`', async () => {
    await connected(guarded({ inject: env, lifetime: 'call' }))
    const first = readSelf(await client.call('self', { repo: 'web' }))
    await eventually(() => !alive(first.pid))
    expect(readSelf(await client.call('self', { repo: 'web' })).pid).not.toBe(first.pid)
    expect(bench.provider.tokens).toHaveLength(2)
  })

  it('never runs a call in another call’s child, not even with `isolation: none`', async () => {
    await connected(guarded({ inject: env, more: '    isolation: none\n' }))
    const [web, api] = [readSelf(await client.call('self', { repo: 'web' })), readSelf(await client.call('self', { repo: 'api' }))]
    expect(environmentOf(web.pid)).toContain(`API_TOKEN=${bench.provider.tokens[0]?.value}`)
    expect(environmentOf(api.pid)).toContain(`API_TOKEN=${bench.provider.tokens[1]?.value}`)
  })

  it.each([
    ['a request', '"id":"q",'],
    ['a notification', ''],
  ])('that names a method after its token, in %s, gets it into no record', async (_, id) => {
    await connected(guarded({ inject: env }))
    await client.call('self', { repo: 'web' })
    const token = bench.provider.tokens[0]?.value ?? ''
    // It stands where what is quoted would be cut.
    const method = `${'x'.repeat(119 - token.length / 2)}${token}`
    await client.call('raw', { repo: 'web', write: `{"jsonrpc":"2.0",${id}"method":"${method}","params":{}}\n` })
    client.notify(method)
    await client.request(method).answer
    expect(bench.audit.ofType('message.refused')).toHaveLength(3)
    const half = token.slice(0, token.length / 2 - 2)
    for (const { detail } of bench.audit.ofType('message.refused')) expect(JSON.stringify(detail)).not.toContain(half)
  })

  it('whose child without a token died gets another one for its lists, and never one that holds a token', async () => {
    await connected(guarded({ inject: env }))
    const { pid } = readSelf(await client.call('self', { repo: 'web' }))
    const [handshake] = bench.gateway.lanes('hostile')
    process.kill(handshake?.pid ?? 0, 'SIGKILL')
    await eventually(() => bench.gateway.lanes('hostile').length === 1)
    expect(await client.tools()).toContain('say')
    expect(bench.gateway.lanes('hostile').map((lane) => lane.pid)).toContain(pid)
    expect(bench.gateway.lanes('hostile')).toHaveLength(2)
  })
})

describe('what a server asks for before any call', () => {
  it('is refused without `startup:`', async () => {
    bench = await openBench(guarded())
    bench.behaviour = { fetch: '/user' }
    client = await bench.connect()
    expect(readSelf(await client.call('self', { repo: 'web' })).early?.status).toBe(403)
    expect(requests()).toEqual([])
  })

  it('gets a credential of its own, which ends soon after the handshake, and stands in the trail as $startup', async () => {
    bench = await openBench(guarded({ more: startup }))
    bench.behaviour = { fetch: '/user' }
    client = await bench.connect()
    expect(readSelf(await client.call('self', { repo: 'web' })).early?.status).toBe(200)
    expect(authorization(0)).toBe(`Bearer ${bench.provider.tokens[0]?.value}`)
    expect(bench.audit.ofType('call.intent')[0]).toMatchObject({ tool: '$startup', kind: 'startup', scope: { repository: 'any' } })
    expect(startupClosed()).toEqual([])
    await bench.clock.advance(5000)
    expect(startupClosed()).toMatchObject([{ result: 'ok', requests: [{ method: 'GET', url: `${origin}/user`, status: 200 }] }])
  })

  it('may be only what `startup:` names', async () => {
    bench = await openBench(guarded({ more: startup }))
    bench.behaviour = { fetch: '/repos/web/1' }
    client = await bench.connect()
    expect(readSelf(await client.call('self', { repo: 'web' })).early?.status).toBe(403)
    expect(requests()).toEqual([])
  })

  it('ends with its lane, once', async () => {
    await connected(guarded({ more: startup }))
    await client.call('raw', { repo: 'web', exit: 0 })
    expect(startupClosed()).toHaveLength(1)
    await bench.clock.advance(10_000)
    expect(startupClosed()).toHaveLength(1)
  })

  it('and cannot get: the start fails, the trail says why, and no child runs', async () => {
    bench = await openBench(guarded({ more: startup }))
    bench.provider.mintScripts.push({ error: refused })
    client = await bench.client()
    await expect(client.initialize()).rejects.toThrow('the upstream says no')
    expect(startupClosed()).toMatchObject([{ result: 'error' }])
    expect(bench.audit.ofType('server.started')).toEqual([])
    expect(bench.store.children.all()).toEqual([])
  })

  it('ends even when the trail cannot be written', async () => {
    await connected(guarded({ more: startup }))
    bench.audit.fail((event) => event.type === 'call.close')
    await bench.clock.advance(5000)
    expect(bench.log.lines.some((line) => line.message === 'closing record not written')).toBe(true)
    bench.audit.heal()
  })
})

function environmentOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
}

function commandLineOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
}
