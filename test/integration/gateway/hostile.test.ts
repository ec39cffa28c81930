import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { frame, MESSAGE } from '../../../src/api/frames.js'
import { JitError } from '../../../src/core/errors.ts'
import { Lane } from '../../../src/gateway/lane/lane.ts'
import { alive, type Bench, type Client, eventually, openBench, plain, readSelf, standstill } from './support.ts'

let bench: Bench
let client: Client

beforeEach(async () => {
  bench = await openBench()
})

const connected = async (): Promise<Client> => (client = await bench.connect())

describe('a server whose program stands where a server in a sandbox may write', () => {
  it.each([
    ['itself', plain.replace('run: [x]', `run: [x]\n    writable: [${import.meta.dirname}]`)],
    ['another', `${plain}  other: { run: [y], writable: [${import.meta.dirname}] }\n`],
  ])('%s: it is not started', async (_, servers) => {
    bench.configure(servers)
    client = await bench.client()
    await expect(client.initialize()).rejects.toThrow(/hostile-server.ts", stands where .* may write/)
    expect(bench.store.children.all()).toEqual([])
    bench.configure(plain)
    await client.initialize()
  })
})

describe('a server that dies', () => {
  it('before it read anything: the handshake fails with its exit code', async () => {
    bench.behaviour = { atStart: '' }
    client = await bench.client()
    await expect(client.initialize()).rejects.toThrow(/server hostile ended \(exit code 4\)/)
  })

  it('in the handshake: the same, and the next try starts another', async () => {
    bench.behaviour = { onInitialize: 'die' }
    client = await bench.client()
    await expect(client.initialize()).rejects.toThrow(/exit code 5/)
    bench.behaviour = {}
    await client.initialize()
    expect(await client.call('say', { text: 'here' })).toBe('here')
  })

  it('in a call: all its calls fail with its exit code and last words, the next call gets a new child and the handshake', async () => {
    await connected()
    const other = client.request('tools/call', { name: 'raw', arguments: { answer: false } })
    await client.call('raw', { to: 'stderr', write: 'out of luck\n' })
    expect(await client.call('raw', { exit: 3 })).toMatch(/ended \(exit code 3\).*out of luck/)
    expect((await other.answer).error?.message).toContain('exit code 3')
    expect(await client.call('journal')).toContain('jit:initialize')
    expect(bench.audit.ofType('call.close').map((event) => event.result)).toEqual(['ok', 'error', 'error', 'ok'])
  })

  it('with half a line on its lips: that is no answer', async () => {
    await connected()
    expect(await client.call('raw', { write: '{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}', exit: 0 })).toMatch(/exit code 0/)
  })

  it('and leaves a child of its own that holds its pipes: that dies too, and the call does not wait for it', async () => {
    await connected()
    expect(await client.call('raw', { background: 'group', exit: 3 })).toMatch(/exit code 3/)
  })

  it('and leaves a process in a group of its own: the call ends all the same', async () => {
    await connected()
    const call = client.call('raw', { background: 'detached', exit: 3 })
    const [lane] = bench.gateway.lanes('hostile')
    await eventually(() => !alive(lane?.pid ?? 0))
    await bench.clock.advance(2000)
    expect(await call).toMatch(/exit code 3/)
  })

  it('is not in the table of children any more, and none is while nothing runs', async () => {
    await connected()
    expect(bench.store.children.all()).toHaveLength(1)
    await client.call('raw', { exit: 0 })
    expect(bench.store.children.all()).toEqual([])
  })
})

describe('a server that writes', () => {
  it.each([
    ['rubbish', 'this is not JSON\n{"jsonrpc":"2.0"\n\u0000\u0001\n[]\n7\n"x"\nnull\n{}\n'],
    ['a batch', '[{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"forged"}]}}]\n'],
    ['an answer without a version', '{"id":ID,"result":{"content":[{"type":"text","text":"forged"}]}}\n'],
    ['an answer to nothing', '{"jsonrpc":"2.0","id":4711,"result":{}}\n{"jsonrpc":"2.0","id":null,"result":{}}\n'],
    ['an answer under the id as text', '{"jsonrpc":"2.0","id":"ID","result":{"content":[{"type":"text","text":"forged"}]}}\n'],
    [
      'a request nested beyond measure',
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":${'['.repeat(40_000)}${']'.repeat(40_000)}}}\n`,
    ],
    [
      'a note nested beyond measure, with a carriage return',
      `{"jsonrpc":"2.0","method":"x",\r"params":{"x":${'['.repeat(40_000)}${']'.repeat(40_000)}}}\n`,
    ],
    ['a line over the cap', `{"jsonrpc":"2.0","method":"x","params":{"x":"${'y'.repeat(150_000)}"}}\n`],
    ['empty lines', '\n\n\r\n\n'],
  ])('%s: nothing of it reaches the client, and its call is answered', async (_, write) => {
    await connected()
    expect(await client.call('raw', { write })).toBe('done')
    expect(client.messages).toEqual([])
    expect(client.strays).toEqual([])
  })

  it('its answer twice: the first counts', async () => {
    await connected()
    const write = '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"first"}]}}\n'
    expect(await client.call('raw', { write, answer: 'second' })).toBe('first')
    expect(await client.call('say', { text: 'next' })).toBe('next')
    expect(client.strays).toEqual([])
  })

  it('an answer over the cap: its call fails and says which cap', async () => {
    await connected()
    const write = `{"jsonrpc":"2.0","id":ID,"result":"${'y'.repeat(150_000)}"}\n`
    expect(await client.call('raw', { write, answer: false })).toMatch(/1500\d\d bytes; the cap is 100000.*limits\.resultBytes/)
  })

  it('a carriage return between two messages: the client gets one line', async () => {
    await connected()
    const hidden = '{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}'
    await client.call('raw', { write: `{"jsonrpc":"2.0","method":"notifications/message","params":{"a":[\r${hidden}\r]}}\n` })
    expect(client.messages).toMatchObject([{ method: 'notifications/message', params: { a: [{ id: 9 }] } }])
    expect(client.lastLine).not.toContain('\r')
  })

  it.each([
    ['two ids', '{"jsonrpc":"2.0","id":999,"result":{"content":[]},"id":ID}'],
    ['two results', '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"one"}]},"result":{"content":[]}}'],
    ['a result in two spellings', '{"jsonrpc":"2.0","id":ID,"Result":{"isError":true},"result":{"content":[]}}'],
    ['two errors', '{"jsonrpc":"2.0","id":ID,"error":{"code":1,"message":"a"},"error":{"code":2,"message":"b"}}'],
  ])('an answer with %s: its call fails instead, and that is recorded', async (_, answer) => {
    await connected()
    expect(await client.call('raw', { write: `${answer}\n`, answer: false })).toMatch(/^error: a message of the server holds the key/)
    expect(client.strays).toEqual([])
    expect(bench.audit.ofType('message.refused')).toMatchObject([{ detail: { from: 'server', code: 'message.ambiguous' } }])
    expect(bench.audit.ofType('call.close')).toMatchObject([{ result: 'error', error: { code: 'message.ambiguous' } }])
  })

  it.each([
    ['a note with an id in another spelling', '{"jsonrpc":"2.0","Id":1,"method":"notifications/message","params":{}}'],
    ['a question with two methods', '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","method":"roots/list"}'],
  ])('%s: it does not reach the client, and that is recorded', async (_, write) => {
    await connected()
    expect(await client.call('raw', { write: `${write}\n` })).toBe('done')
    expect(client.messages).toEqual([])
    expect(bench.audit.ofType('message.refused')).toMatchObject([{ detail: { from: 'server', code: 'message.ambiguous' } }])
  })

  it('rubbish without end: neither the log nor the memory grows with it', async () => {
    await connected()
    expect(await client.call('raw', { write: 'rubbish\n', times: 50_000 })).toBe('done')
    expect(await client.call('raw', { write: 'rubbish\n', to: 'stderr', times: 50_000 })).toBe('done')
    expect(bench.log.lines.filter((line) => line.message.includes('not JSON-RPC')).length).toBeLessThan(30)
  })

  it('more than the client takes: it is not read faster, and stopping does not wait for the client', async () => {
    await connected()
    client.socket.pause()
    const note = `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${'x'.repeat(50_000)}"}}\n`
    const { answer } = client.request('tools/call', { name: 'raw', arguments: { write: note, times: 400 } })
    const [lane] = bench.gateway.lanes('hostile')
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    client.leave()
    await expect(Promise.race([answer, eventually(() => !alive(lane?.pid ?? 0)).then(() => 'dead')])).resolves.toBe('dead')
  })
})

describe('a server that does not listen', () => {
  it('and closes its input: its calls fail and it is ended', async () => {
    bench.behaviour = { ignoreEnd: true }
    await connected()
    const [lane] = bench.gateway.lanes('hostile')
    await client.call('raw', { closeInput: true })
    const next = client.call('say', { text: 'lost' })
    await eventually(() => bench.clock.pending > 0)
    let answer = ''
    void next.then((text) => (answer = text))
    await eventually(() => {
      void bench.clock.advance(500)
      return answer !== ''
    })
    expect(answer).toMatch(/ended \(it closed its input\)/)
    expect(alive(lane?.pid ?? 0)).toBe(false)
  })

  it('and reads nothing more: its client is not read faster, and goes on when the child is gone', async () => {
    await connected()
    const { pid } = readSelf(await client.call('self'))
    process.kill(pid, 'SIGSTOP')
    const long = 'x'.repeat(100_000)
    for (let count = 0; count < 50; count += 1) client.notify('notifications/roots/list_changed', { long })
    await standstill(() => client.socket.writableLength)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    process.kill(pid, 'SIGKILL')
    await eventually(() => client.socket.writableLength === 0 && bench.gateway.lanes('hostile').length === 0)
    expect(await client.call('say', { text: 'here' })).toBe('here')
  })

  it('and asks without end: it is not heard either, so that what it is told does not pile up', async () => {
    const told = vi.spyOn(Lane.prototype, 'reply')
    const warnings: string[] = []
    const note = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', note)
    onTestFinished(() => void process.off('warning', note))
    await connected()
    const question = '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}\n'.repeat(1000)
    client.request('tools/call', { name: 'raw', arguments: { pauseInput: true, write: question, times: 200, answer: false } })
    await standstill(() => told.mock.calls.length)
    expect(told.mock.calls.length).toBeGreaterThan(100)
    expect(told.mock.calls.length).toBeLessThan(10_000)
    // What waits for the child to read leaves one listener on its pipe, not one for each question.
    expect(warnings).toEqual([])
    told.mockRestore()
  })

  it('and whose calls are cancelled: what it is sent has an end', async () => {
    await connected()
    process.kill(readSelf(await client.call('self')).pid, 'SIGSTOP')
    const text = 'x'.repeat(1_000_000)
    const sent: (string | number)[] = []
    const refused: string[] = []
    for (let count = 0; count < 30 && refused.length === 0; count += 1) {
      const { id, answer } = client.request('tools/call', { name: 'say', arguments: { text } })
      sent.push(id)
      void answer.then(
        ({ error }) => refused.push(error?.message ?? ''),
        () => undefined,
      )
      await eventually(() => refused.length > 0 || bench.gateway.lanes('hostile')[0]?.inFlight === 1)
      client.notify('notifications/cancelled', { requestId: id })
      await eventually(() => bench.audit.ofType('call.close').length === 1 + sent.length)
    }
    expect(refused).toEqual([expect.stringContaining('does not read what it was sent')])
    expect(sent.length).toBeGreaterThan(10)
  })

  it('and never answers: the call runs until its client cancels it', async () => {
    await connected()
    const { id, answer } = client.request('tools/call', { name: 'raw', arguments: { answer: false } })
    await client.call('say', { text: 'x' })
    client.notify('notifications/cancelled', { requestId: id })
    await expect(answer).rejects.toThrow('forgotten')
    expect(await client.call('journal')).toContain(`"notifications/cancelled\\",\\"params\\":{\\"requestId\\":${id}}`)
    expect(bench.audit.ofType('call.close').map((event) => event.result)).toEqual(['ok', 'aborted', 'ok'])
  })

  it('to the end of its input nor to SIGTERM: it is killed', async () => {
    bench.behaviour = { ignoreEnd: true, ignoreTerm: true }
    await connected()
    const { pid } = readSelf(await client.call('self'))
    client.leave()
    await eventually(() => bench.gateway.lanes('hostile').length === 0)
    await bench.clock.advance(2000)
    await eventually(() => bench.log.lines.some((line) => line.fields['text'] === 'SIGTERM is ignored'))
    await bench.clock.advance(2000)
    await eventually(() => !alive(pid))
  })
})

describe('a call without a credential', () => {
  it('that waits for its server when jit is locked is denied: nothing of it reaches the server', async () => {
    let found = (): void => undefined
    bench.launching = () => new Promise((resolve) => (found = resolve))
    client = await bench.client()
    const waiting = client.call('say', { text: 'too late' })
    await eventually(() => bench.audit.ofType('call.intent').length === 1 && bench.gateway.lanes('hostile').length === 1)
    bench.broker.locked = true
    found()
    expect(await waiting).toContain('jit was locked while this call waited')
    bench.broker.locked = false
    expect(await client.call('journal')).not.toContain('too late')
    expect(bench.audit.ofType('call.close').map((event) => event.result)).toEqual(['denied', 'ok'])
  })
})

describe('what cannot be recorded', () => {
  it('does not run: no row in the table of children, no child', async () => {
    client = await bench.client()
    let pid = 0
    const refusal = vi.spyOn(bench.store.children, 'add').mockImplementation((row) => {
      ;({ pid } = row)
      throw new JitError('store.unavailable', 'the disk is full')
    })
    await expect(client.initialize()).rejects.toThrow('the disk is full')
    await eventually(() => !alive(pid))
    refusal.mockRestore()
    expect(bench.gateway.lanes('hostile')).toEqual([])
    await client.initialize()
  })

  it('as ended is ended all the same', async () => {
    await connected()
    bench.store.fail((operation) => operation === 'children')
    bench.audit.fail((event) => event.type === 'server.stopped')
    expect(await client.call('raw', { exit: 3 })).toMatch(/exit code 3/)
    bench.store.heal()
    bench.audit.heal()
  })
})

describe('a client that is gone', () => {
  it('in mid-call: the call is closed as aborted, and the child ends', async () => {
    await connected()
    const { pid } = readSelf(await client.call('self'))
    client.request('tools/call', { name: 'raw', arguments: { answer: false } })
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    client.leave()
    await eventually(() => !alive(pid))
    expect(bench.audit.ofType('call.close').map((event) => event.result)).toEqual(['ok', 'aborted'])
  })

  it('while it is not heard, because its server reads nothing: that is noticed, and its calls end', async () => {
    await connected()
    const { pid } = readSelf(await client.call('self'))
    client.request('tools/call', { name: 'raw', arguments: { answer: false } })
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    process.kill(pid, 'SIGSTOP')
    const long = 'x'.repeat(100_000)
    for (let count = 0; count < 50; count += 1) client.notify('notifications/roots/list_changed', { long })
    await standstill(() => client.socket.writableLength)
    client.leave()
    await bench.clock.advance(1000)
    await eventually(() => bench.audit.ofType('call.close').length === 2)
    expect(bench.audit.ofType('call.close').at(-1)).toMatchObject({ result: 'aborted' })
    expect(bench.gateway.lanes('hostile')).toEqual([])
    await bench.clock.advance(4000)
    await eventually(() => !alive(pid))
  })

  it('not, however long its server reads nothing: it is asked in words that mean nothing, and is heard again', async () => {
    await connected()
    const { pid } = readSelf(await client.call('self'))
    process.kill(pid, 'SIGSTOP')
    const long = 'x'.repeat(100_000)
    for (let count = 0; count < 50; count += 1) client.notify('notifications/roots/list_changed', { long })
    await standstill(() => client.socket.writableLength)
    await bench.clock.advance(3000)
    await client.until(() => client.control.length === 4)
    expect(client.control.slice(1)).toEqual([{}, {}, {}])
    process.kill(pid, 'SIGCONT')
    expect(await client.call('say', { text: 'here' })).toBe('here')
    await bench.clock.advance(3000)
    expect(await client.call('say', { text: 'there' })).toBe('there')
    expect(client.control).toHaveLength(4)
  })

  it('while a call waits for a person: nobody is asked any more, and the call is closed as aborted', async () => {
    bench.configure(plain.replace('allow: [say, ', 'ask: [say]\n    allow: ['))
    await connected()
    client.request('tools/call', { name: 'say', arguments: { text: 'x' } })
    await eventually(() => bench.approvals.waiting().length === 1)
    client.leave()
    await eventually(() => bench.audit.ofType('call.close').length === 1)
    expect(bench.audit.ofType('call.close')).toMatchObject([{ result: 'aborted' }])
    expect(bench.approvals.waiting()).toEqual([])
  })

  it('before its server was even found: nothing is started for it', async () => {
    client = await bench.client()
    let found = (): void => undefined
    bench.launching = () => new Promise((resolve) => (found = resolve))
    const opening = client.initialize()
    opening.catch(() => undefined)
    await eventually(() => bench.gateway.lanes('hostile').length === 1)
    client.leave()
    await eventually(() => bench.gateway.lanes('hostile').length === 0)
    found()
    await bench.clock.advance(0)
    expect(bench.store.children.all()).toEqual([])
    expect(bench.audit.ofType('server.started')).toEqual([])
  })

  it('cancels while its server starts: others that wait for it are served', async () => {
    let found = (): void => undefined
    bench.launching = () => new Promise((resolve) => (found = resolve))
    client = await bench.client()
    const first = client.request('ping')
    const second = client.request('ping')
    await eventually(() => bench.gateway.lanes('hostile').length === 1)
    client.notify('notifications/cancelled', { requestId: first.id })
    await expect(first.answer).rejects.toThrow('forgotten')
    found()
    expect((await second.answer).result).toEqual({})
  })
})

describe('a client that takes no answers', () => {
  it('is not heard until it does', async () => {
    await connected()
    client.socket.pause()
    const calls = 1000
    for (let id = 0; id < calls; id += 1)
      client.send(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${'n'.repeat(20_000)}"}}`)
    await standstill(() => client.socket.writableLength)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    expect(bench.audit.ofType('call.close').length).toBeLessThan(calls / 2)
    client.socket.resume()
    await client.until(() => client.strays.length === calls)
    expect(await client.call('say', { text: 'here' })).toBe('here')
  })
})

describe('a client that floods', () => {
  it('with what is refused fills no disk: the trail has the first of it, and at its end how many there were', async () => {
    await connected()
    for (let count = 0; count < 1000; count += 1) client.send(`{"jsonrpc":"2.0","id":${count},"id":${count}}`)
    await client.until(() => client.strays.length === 1000)
    expect(bench.audit.ofType('message.refused')).toHaveLength(100)
    client.leave()
    await eventually(() => bench.audit.ofType('message.refused').length === 101)
    expect(bench.audit.ofType('message.refused').at(-1)).toMatchObject({ detail: { from: 'client', unrecorded: 900 } })
  })

  it('and is cut off by the end of the daemon is counted all the same', async () => {
    await connected()
    for (let count = 0; count < 101; count += 1) client.send('{}')
    await client.until(() => client.strays.length === 101)
    await bench.gateway.stop(undefined, new JitError('daemon.restarted', 'the daemon stops'))
    expect(bench.audit.ofType('message.refused').at(-1)).toMatchObject({ detail: { unrecorded: 1 } })
  })
})

describe('a client that speaks past its shim', () => {
  it('cannot hide a message behind a line break in another', async () => {
    await connected()
    const hidden = '{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"hidden","arguments":{}}}'
    for (const gap of ['\n', '\r'])
      client.send(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed","params":{"a":[${gap}${hidden}${gap}]}}`)
    const lines: string[] = JSON.parse(await client.call('journal'))
    expect(lines.filter((line) => line.startsWith('{"jsonrpc":"2.0","id":77'))).toEqual([])
    expect(lines.filter((line) => line.includes('list_changed'))).toHaveLength(2)
  })

  it.each(['tools/call', 'resources/read', 'prompts/get', 'completion/complete', 'sampling/createMessage'])(
    'cannot send %s as a notification, on which nobody would decide: it reaches no server, and that is recorded',
    async (method) => {
      await connected()
      client.notify(method, { name: 'hidden', arguments: {} })
      expect(await client.call('journal')).not.toContain(method === 'tools/call' ? 'hidden' : method)
      expect(bench.audit.ofType('message.refused')).toMatchObject([
        { detail: { code: 'message.malformed', message: `a request "${method}" without an id` } },
      ])
    },
  )

  it('cannot hide a method behind bytes that are no UTF-8, which some readers leave out', async () => {
    await connected()
    const [before = '', after = ''] = '{"jsonrpc":"2.0","id":88,"method":"tools/call|","params":{"name":"hidden"}}'.split('|')
    client.socket.write(frame(MESSAGE, Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)])))
    expect(await client.call('journal')).not.toContain('hidden')
    expect(client.strays).toMatchObject([{ id: 88, error: { message: expect.stringContaining('not UTF-8') } }])
  })
})
