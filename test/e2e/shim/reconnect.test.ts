import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { namelessId, responseFrame } from '../../../src/api/frames.js'
import { errorTable } from '../../../src/core/errors.ts'
import { echo, FakeDaemon, type Visit } from './fake-daemon.ts'
import { createInstallation, type Installation } from './installation.ts'
import { newHome, nodes, Shim } from './shim.ts'

describe.each(nodes)('a daemon that goes away, on %s', (node) => {
  let installation: Installation
  let home: string
  let daemon: FakeDaemon
  let shim: Shim

  beforeAll(() => {
    // Whoever starts a daemon finds that another one holds the store: the test's own, which comes back when the test says so.
    installation = createInstallation('held')
  })
  afterAll(() => installation.close())
  beforeEach(async () => {
    home = newHome()
    daemon = await new FakeDaemon(home).start()
    shim = new Shim(home, { node, launcher: installation.launcher })
  })
  afterEach(async () => {
    shim.kill()
    await daemon.die()
    rmSync(home, { recursive: true, force: true })
  })

  it('has each call in flight answered with an error, and the session goes on in a new daemon', async () => {
    await shim.initialize()
    const first = await visit(0)
    await shim.until(() => first.heard.find(({ method }) => method === 'notifications/initialized'), 'initialized')
    daemon.options.onMessage = () => undefined
    for (const id of [1, 'two']) shim.send({ jsonrpc: '2.0', id, method: 'tools/call' })
    await shim.until(() => (first.heard.at(-1)?.id === 'two' ? true : undefined), 'both calls')
    await daemon.die()
    for (const id of [1, 'two']) {
      const { error } = await shim.answerTo(id)
      expect(error).toMatchObject({ code: errorTable['daemon.restarted'].rpc, data: { code: 'daemon.restarted' } })
      expect(error?.message).toContain(errorTable['daemon.restarted'].hint)
    }
    daemon.options.onMessage = echo
    await daemon.start()
    expect((await shim.ask(3, 'tools/call', { x: 1 })).result).toEqual({ method: 'tools/call', params: { x: 1 } })

    const second = await visit(1)
    expect(second.hello).toMatchObject({ server: 'github', resume: true })
    expect(second.heard.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized', 'tools/call'])
    expect(second.heard[0]?.params).toEqual(first.heard[0]?.params)
    expect(second.heard[0]?.id).not.toBe('init')
    expect(shim.answers().map((answer) => answer.id)).toEqual(['init', 1, 'two', 3])
    expect(await shim.close()).toBe(0)
  })

  describe('from a client that sends batches', () => {
    const batch = (...ids: (number | string)[]) => ids.map((id) => ({ jsonrpc: '2.0', id, method: 'tools/call' }))
    const lists = (): { id: unknown; error: { code: number } }[][] =>
      shim.lines.flatMap((line) => {
        const value: unknown = JSON.parse(line)
        return Array.isArray(value) ? [value] : []
      })

    beforeEach(async () => {
      const result = { protocolVersion: '2025-03-26', capabilities: {}, serverInfo: { name: 'fake', version: '1' } }
      daemon.options.onMessage = (to, { id, method }) => {
        if (id !== undefined && method === 'initialize') to.answer(id, result)
      }
      await shim.initialize()
    })

    it('has each batch in flight answered with errors, as one', async () => {
      const first = await visit(0)
      await shim.until(() => first.heard.find(({ method }) => method === 'notifications/initialized'), 'initialized')
      const before = first.heard.length
      shim.send([{ jsonrpc: '2.0', method: 'notifications/x' }, ...batch(1, 'two')])
      shim.send(batch(3))
      await shim.until(() => (first.heard.length === before + 2 ? true : undefined), 'both batches')
      await daemon.die()
      await shim.until(() => (lists().length === 2 ? true : undefined), 'both answers')
      const code = errorTable['daemon.restarted'].rpc
      expect(lists().map((answers) => answers.map(({ id, error }) => [id, error.code]))).toEqual([
        [
          [1, code],
          ['two', code],
        ],
        [[3, code]],
      ])
      await daemon.start()
      expect(await shim.close()).toBe(0)
    })

    it('is let go at once when all of its batches were refused as a whole', async () => {
      const first = await visit(0)
      await shim.until(() => first.heard.find(({ method }) => method === 'notifications/initialized'), 'initialized')
      shim.send(batch(1, 2))
      await shim.until(() => (first.heard.length === 3 ? true : undefined), 'the batch')
      const refusal = { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'too many' } }
      first.socket.write(responseFrame(namelessId(3), JSON.stringify(refusal)))
      await shim.answerTo(null)
      const asked = Date.now()
      expect(await shim.close()).toBe(0)
      // It waits five seconds for what is under way.
      expect(Date.now() - asked).toBeLessThan(4000)
      expect(lists()).toEqual([])
    })

    it('has batches that no daemon took answered too', async () => {
      await daemon.die()
      daemon.options.refuse = { code: 'not-found', message: 'there is no server', hint: 'Add it.', rpc: errorTable['not-found'].rpc }
      shim.send(batch(1, 2))
      await daemon.start()
      await shim.until(() => (lists().length === 1 ? true : undefined), 'the answer')
      expect(lists()[0]?.map(({ id }) => id)).toEqual([1, 2])
    })
  })

  it('has what the client says meanwhile kept, in order', async () => {
    await shim.initialize()
    await lose()
    for (let id = 1; id <= 20; id += 1) shim.send({ jsonrpc: '2.0', id, method: 'tools/list' })
    await daemon.start()
    await shim.answerTo(20)
    const heard = (await visit(1)).heard.flatMap(({ id }) => (typeof id === 'number' ? [id] : []))
    expect(heard).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  })

  it('in the middle of the handshake has it made again, and answered once', async () => {
    daemon.options.onMessage = () => undefined
    shim.send({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { a: 1 } })
    await shim.until(() => daemon.visits[0]?.heard[0], 'initialize')
    await daemon.die()
    daemon.options.onMessage = echo
    await daemon.start()
    expect((await shim.answerTo(0)).result).toBeDefined()
    expect((await visit(1)).heard).toEqual([{ jsonrpc: '2.0', id: 0, method: 'initialize', params: { a: 1 } }])
    expect(shim.lines).toHaveLength(1)
  })

  it('between initialize and initialized has only the first replayed', async () => {
    await shim.ask('init', 'initialize')
    await lose()
    await daemon.start()
    await shim.until(() => daemon.visits[1]?.heard[0], 'replay')
    shim.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
    await shim.ask(1, 'tools/list')
    expect((await visit(1)).heard.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized', 'tools/list'])
    expect(shim.answers().map(({ id }) => id)).toEqual(['init', 'lost', 1])
  })

  it('has nothing replayed for a client of the era without a handshake', async () => {
    const meta = { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} } }
    expect((await shim.ask(1, 'server/discover', meta)).result).toBeDefined()
    daemon.options.onMessage = () => undefined
    shim.send({ jsonrpc: '2.0', id: 2, method: 'subscriptions/listen', params: meta })
    await shim.until(() => daemon.visits[0]?.heard.find(({ id }) => id === 2), 'listen')
    await daemon.die()
    expect((await shim.answerTo(2)).error?.code).toBe(1203)
    daemon.options.onMessage = echo
    await daemon.start()
    expect((await shim.ask(3, 'tools/call', meta)).result).toBeDefined()
    expect((await visit(1)).heard.map(({ method }) => method)).toEqual(['tools/call'])
  })

  it('takes its questions with it: an answer of the client to them is dropped', async () => {
    await shim.initialize()
    ;(await visit(0)).say({ jsonrpc: '2.0', id: 'jit:lane_1:7', method: 'roots/list' })
    await shim.until(() => shim.answers().find(({ method }) => method === 'roots/list'), 'question')
    await lose()
    shim.send({ jsonrpc: '2.0', id: 'jit:lane_1:7', result: { roots: [] } })
    await daemon.start()
    await shim.ask(1, 'tools/list')
    expect((await visit(1)).heard.map(({ id }) => id)).not.toContain('jit:lane_1:7')
  })

  it('and refuses the handshake that it had accepted: calls say so, the next one tries again', async () => {
    await shim.initialize()
    await lose()
    daemon.options.onMessage = (to, { id }) => {
      if (id !== undefined) to.fail(id, { code: errorTable['server.start'].rpc, message: 'there is no command "npx". Check it.' })
    }
    await daemon.start()
    const { error } = await shim.ask(1, 'tools/call')
    expect(error?.code).toBe(errorTable['server.start'].rpc)
    expect(error?.message).toContain('there is no command')
    daemon.options.onMessage = echo
    expect((await shim.ask(2, 'tools/call')).result).toBeDefined()
  })

  it('and always goes away before it answers is given up, not started for ever', async () => {
    daemon.options.onMessage = (to) => void to.socket.destroy()
    expect((await shim.ask(0, 'initialize')).error?.code).toBe(errorTable['daemon.unreachable'].rpc)
    expect(daemon.visits).toHaveLength(4)
  })

  it('in good order is left alone until the client needs it', async () => {
    await shim.initialize()
    const first = await visit(0)
    const closed = new Promise((resolve) => first.socket.once('close', resolve))
    first.bye()
    await closed
    shim.send({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(daemon.visits).toHaveLength(1)
    expect((await shim.ask(1, 'tools/list')).result).toBeDefined()
    expect((await visit(1)).heard.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized', 'tools/list'])
    // Others of this installation's shims, whose daemons died, may have started one.
    expect(installation.starts().filter(({ environment }) => environment['JIT_HOME'] === home)).toEqual([])
  })

  it('in good order lets a client leave', async () => {
    await shim.initialize()
    ;(await visit(0)).bye()
    expect(await shim.close()).toBe(0)
  })

  /** Kills the daemon, and waits until the shim knows. */
  async function lose(): Promise<void> {
    daemon.options.onMessage = () => undefined
    shim.send({ jsonrpc: '2.0', id: 'lost', method: 'ping' })
    await shim.until(() => daemon.visits.at(-1)?.heard.find(({ id }) => id === 'lost'), 'ping')
    await daemon.die()
    expect((await shim.answerTo('lost')).error?.code).toBe(1203)
    daemon.options.onMessage = echo
  }

  async function visit(index: number): Promise<Visit> {
    return shim.until(() => daemon.visits[index], `visit ${index}`)
  }
})
