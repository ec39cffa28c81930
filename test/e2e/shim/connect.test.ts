import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CONTROL, frame } from '../../../src/api/frames.js'
import { errorTable } from '../../../src/core/errors.ts'
import { echo, FakeDaemon, type Visit } from './fake-daemon.ts'
import { newHome, nodes, Shim } from './shim.ts'

const text = (size: number): string => 'x'.repeat(size)

describe.each(nodes)('jit connect on %s', (node) => {
  let home: string
  let daemon: FakeDaemon
  let shim: Shim

  beforeEach(async () => {
    home = newHome()
    daemon = await new FakeDaemon(home).start()
    shim = new Shim(home, { node })
  })
  afterEach(async () => {
    shim.kill()
    await daemon.die()
    rmSync(home, { recursive: true, force: true })
  })

  it('says who it is and who started it', async () => {
    await shim.initialize()
    expect(daemon.visits[0]?.hello).toMatchObject({ hello: 1, server: 'github', pid: shim.child.pid, resume: false, cwd: process.cwd() })
    expect(daemon.visits[0]?.hello.parent.pid).toBe(process.pid)
    if (process.platform === 'linux') expect(daemon.visits[0]?.hello.parent.startTime).toBeGreaterThan(0)
  })

  it('passes messages byte for byte, both ways', async () => {
    const odd = '{ "jsonrpc":"2.0",  "id":1, "method":"tools/call", "params":{"n":1.0,"big":12345678901234567890,"e":"\\u00e9é"} }'
    let raw = ''
    daemon.options.onMessage = (visit, heard, bytes) => {
      raw = bytes.toString('utf8')
      visit.say({ jsonrpc: '2.0', method: 'notifications/message', params: { heard: heard.id } })
      visit.answer(1, 'done')
    }
    shim.send(odd)
    await shim.answerTo(1)
    expect(raw).toBe(odd)
    expect(shim.lines).toEqual([
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"heard":1}}',
      '{"jsonrpc":"2.0","id":1,"result":"done"}',
    ])
  })

  it('passes nothing on of a frame in which the daemon says nothing, and goes on', async () => {
    await shim.initialize()
    const { length } = shim.lines
    daemon.visits[0]?.socket.write(frame(CONTROL, '{}'))
    expect((await shim.ask(1, 'ping')).result).toBeDefined()
    expect(shim.lines.slice(length)).toHaveLength(1)
    expect(daemon.visits).toHaveLength(1)
  })

  it('carries messages of ten megabytes both ways', async () => {
    const size = 10_000_000
    const answer = await shim.ask(1, 'tools/call', { payload: text(size) })
    expect(JSON.stringify(answer).length).toBeGreaterThan(size)
    expect(await shim.close()).toBe(0)
  })

  it('refuses a line over 64 MiB for its id, and goes on', async () => {
    shim.send(`{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"x":"${text(64 * 1024 * 1024)}"}}`)
    const answer = await shim.answerTo(77)
    expect(answer.error?.code).toBe(errorTable['message.too-large'].rpc)
    expect(answer.error?.message).toContain('67108864')
    expect((await shim.ask(78, 'ping')).result).toBeDefined()
    expect(daemon.visits[0]?.heard.map((heard) => heard.id)).toEqual([78])
  })

  it('leaves with 0 when the client closes its end, after the answers that are on their way', async () => {
    const late: (() => void)[] = []
    daemon.options.onMessage = (visit, { id }) => {
      if (id !== undefined) late.push(() => visit.answer(id, text(1_000_000)))
    }
    shim.send({ jsonrpc: '2.0', id: 1, method: 'tools/call' })
    shim.child.stdin?.end()
    await shim.until(() => late[0], 'request')
    late[0]?.()
    expect(await shim.exit).toBe(0)
    expect(shim.answers().map((answer) => answer.id)).toEqual([1])
    expect(JSON.stringify(shim.answers()).length).toBeGreaterThan(1_000_000)
  })

  it('leaves though an answer never comes', { timeout: 15_000 }, async () => {
    daemon.options.onMessage = () => undefined
    shim.send({ jsonrpc: '2.0', id: 1, method: 'tools/call' })
    expect(await shim.close()).toBe(0)
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('ends cleanly on %s, and the daemon sees it go', async (signal) => {
    await shim.initialize()
    const gone = new Promise((resolve) => daemon.visits[0]?.socket.once('close', resolve))
    shim.child.kill(signal)
    expect(await shim.exit).toBe(0)
    await gone
  })

  it('ends when nobody reads it any more', async () => {
    await shim.initialize()
    shim.child.stdout?.destroy()
    const visit = daemon.visits[0]
    const timer = setInterval(() => visit?.say({ jsonrpc: '2.0', method: 'notifications/message' }), 10)
    expect(await shim.exit).toBe(0)
    clearInterval(timer)
  })

  it('does not read a client faster than the daemon takes it', async () => {
    await shim.initialize()
    const visit = daemon.visits[0]
    visit?.socket.pause()
    const line = `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { x: text(1_000_000) } })}\n`
    let taken = 0
    for (let count = 0; count < 64; count += 1) shim.child.stdin?.write(line, () => (taken += 1))
    const settled = await stable(() => taken)
    expect(settled).toBeLessThan(16)
    visit?.socket.resume()
    await shim.until(() => (taken === 64 ? true : undefined), 'taken messages')
  })

  it('does not read a daemon faster than the client takes it', async () => {
    shim.kill()
    shim = new Shim(home, { node, read: false })
    shim.send({ jsonrpc: '2.0', id: 0, method: 'initialize' })
    const visit = await shim.until(() => daemon.visits.find(({ heard }) => heard.length > 0 && heard[0]?.id === 0), 'visit')
    const total = 64
    for (let count = 0; count < total; count += 1)
      visit.say({ jsonrpc: '2.0', method: 'notifications/message', params: { count, x: text(1_000_000) } })
    const left = await stable(() => visit.socket.writableLength)
    expect(left).toBeGreaterThan((total - 16) * 1_000_000)
    shim.read()
    await shim.until(() => (shim.lines.length === total + 1 ? true : undefined), 'every message')
    expect(
      shim
        .answers()
        .slice(1)
        .every((answer, index) => JSON.stringify(answer).includes(`"count":${index},`)),
    ).toBe(true)
  })

  it('lets an agent stop while it waits for a client that does not read', async () => {
    shim.kill()
    shim = new Shim(home, { node, read: false })
    shim.send({ jsonrpc: '2.0', id: 0, method: 'initialize' })
    const visit = await shim.until(() => daemon.visits.find(({ heard }) => heard[0]?.id === 0), 'visit')
    for (let count = 0; count < 8; count += 1)
      visit.say({ jsonrpc: '2.0', method: 'notifications/message', params: { x: text(1_000_000) } })
    await stable(() => visit.socket.writableLength)
    shim.child.kill('SIGTERM')
    shim.child.stdout?.resume()
    expect(await shim.exit).toBe(0)
  })
})

describe('a daemon that refuses', () => {
  const refusal = {
    code: 'not-found',
    message: 'there is no server "nothing"',
    hint: '`jit servers` lists them.',
    rpc: errorTable['not-found'].rpc,
  }
  let home: string
  let daemon: FakeDaemon
  let shim: Shim

  beforeEach(async () => {
    home = newHome()
    daemon = await new FakeDaemon(home, { refuse: refusal }).start()
    shim = new Shim(home, { server: 'nothing' })
  })
  afterEach(async () => {
    shim.kill()
    await daemon.die()
    rmSync(home, { recursive: true, force: true })
  })

  it('has its reason and what to do passed on, and the exit code says it too', async () => {
    const answer = await shim.ask(0, 'initialize')
    expect(answer.error).toMatchObject({
      code: refusal.rpc,
      data: { code: 'not-found', hint: `${refusal.hint} JIT_HOME is ${JSON.stringify(home)} here.` },
    })
    expect(answer.error?.message).toContain('"nothing"')
    expect(shim.stderr).toBe(
      `jit: there is no server "nothing"\n     \`jit servers\` lists them. JIT_HOME is ${JSON.stringify(home)} here.\n`,
    )
    expect(await shim.close()).toBe(errorTable['not-found'].exit)
  })

  it('is asked again with the next request, so that what was mended works', async () => {
    await shim.ask(0, 'initialize')
    delete daemon.options.refuse
    expect((await shim.ask(1, 'initialize')).result).toBeDefined()
    expect(await shim.close()).toBe(0)
  })

  it('is complained about once', async () => {
    for (const id of [1, 2, 3]) expect((await shim.ask(id, 'tools/list')).error?.code).toBe(refusal.rpc)
    expect(shim.stderr.split('\n').filter((line) => line.startsWith('jit:'))).toHaveLength(1)
  })

  it('in the middle of a session ends what is in flight with that reason', async () => {
    delete daemon.options.refuse
    await shim.initialize()
    daemon.options.onMessage = () => undefined
    shim.send({ jsonrpc: '2.0', id: 5, method: 'tools/call' })
    const visit = await shim.until(() => daemon.visits.find(({ heard }: Visit) => heard.at(-1)?.id === 5), 'request')
    daemon.options.refuse = refusal
    daemon.options.onMessage = echo
    const control = JSON.stringify({ error: refusal })
    const head = Buffer.alloc(5)
    head.writeUInt32BE(control.length + 1)
    visit.socket.end(Buffer.concat([head, Buffer.from(control)]))
    expect((await shim.answerTo(5)).error?.code).toBe(refusal.rpc)
  })
})

describe('what is no daemon', () => {
  it('is not believed for long', async () => {
    const home = newHome()
    const daemon = await new FakeDaemon(home, { silent: true }).start()
    const shim = new Shim(home)
    const answer = await shim.ask(0, 'initialize')
    expect(answer.error).toMatchObject({ code: errorTable['daemon.unreachable'].rpc })
    shim.kill()
    await daemon.die()
    rmSync(home, { recursive: true, force: true })
  })
})

/** The value once it stays the same for half a second. */
async function stable(read: () => number): Promise<number> {
  let last = -1
  let since = Date.now()
  for (;;) {
    const now = read()
    if (now !== last) since = Date.now()
    last = now
    if (Date.now() - since > 500) return now
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
