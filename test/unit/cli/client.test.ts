import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../../src/cli/client.ts'
import { JitError } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'

const route = ['POST', '/v1/things/:name'] as const

describe('the daemon’s API', () => {
  let home: string
  let server: Server | undefined
  const before = process.env['JIT_HOME']

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'jit-client-'))
    process.env['JIT_HOME'] = home
  })
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
    server = undefined
    if (before === undefined) delete process.env['JIT_HOME']
    else process.env['JIT_HOME'] = before
    rmSync(home, { recursive: true, force: true })
  })

  async function serve(listener: RequestListener): Promise<void> {
    mkdirSync(join(home, 'run'), { mode: 0o700 })
    server = createServer(listener).listen(join(home, 'run/api.sock'))
    await once(server, 'listening')
  }

  async function refusal(work: Promise<unknown>): Promise<JitError> {
    const error: unknown = await work.catch((thrown: unknown) => thrown)
    if (error instanceof JitError) return error
    throw new Error(`no JitError: ${String(error)}`)
  }

  it('is asked with names filled in and a JSON body, in which a Secret is its text', async () => {
    let seen = ''
    await serve((request, response) => {
      request.setEncoding('utf8').on('data', (text: string) => (seen += text))
      request.on('end', () => response.end(JSON.stringify({ method: request.method, url: request.url, host: request.headers.host })))
    })
    const answer = await createClient().call(route, {
      parameters: { name: 'a/b c' },
      body: { secrets: { key: new Secret('s3cret') }, list: [new Secret('t')], plain: 1 },
    })
    expect(answer).toEqual({ method: 'POST', url: '/v1/things/a%2Fb%20c', host: 'jit' })
    expect(JSON.parse(seen)).toEqual({ secrets: { key: 's3cret' }, list: ['t'], plain: 1 })
  })

  it('has its errors thrown as they were thrown there', async () => {
    await serve((_, response) =>
      response.writeHead(403).end(JSON.stringify({ error: { code: 'locked', message: 'no', hint: 'wait', details: { a: 1 } } })),
    )
    expect(await refusal(createClient().call(route))).toMatchObject({ code: 'locked', message: 'no', hint: 'wait', details: { a: 1 } })
  })

  it.each([
    ['an error of an unknown code', JSON.stringify({ error: { code: 'toString', message: 'x', hint: '', details: {} } })],
    ['an error without details', JSON.stringify({ error: { code: 'locked', message: 'x', hint: '' } })],
    ['no error at all', '[]'],
  ])('that answers %s is not believed', async (_, body) => {
    await serve((_request, response) => response.writeHead(500).end(body))
    expect((await refusal(createClient().call(route))).code).toBe('internal')
  })

  it.each<[string, RequestListener]>([
    ['before it answers', (request) => request.socket.destroy()],
    [
      'in the middle of an answer',
      (request, response) => {
        response.writeHead(200, { 'content-length': 100 }).write('{"half":')
        setImmediate(() => request.socket.destroy())
      },
    ],
    ['with half an answer', (_, response) => response.end('{"half":')],
  ])('that goes away %s is unreachable', async (_, listener) => {
    await serve(listener)
    expect((await refusal(createClient().call(route))).code).toBe('daemon.unreachable')
  })

  it.each([
    ['GET', 2, { ok: true }],
    ['POST', 1, 'daemon.unreachable'],
  ] as const)('that is just being killed is asked again where nothing is changed by it: %s', async (method, times, expected) => {
    let asked = 0
    await serve((request, response) => {
      asked += 1
      if (asked === 1) request.socket.destroy()
      else response.end('{"ok":true}')
    })
    const answer: unknown = await createClient()
      .call([method, '/v1/status'])
      .catch((error: unknown) => (error instanceof JitError ? error.code : error))
    expect([asked, answer]).toEqual([times, expected])
  })

  it('that does not answer in time is unreachable', async () => {
    await serve(() => undefined)
    expect((await refusal(createClient().call(route, { deadline: 100 }))).message).toContain('did not answer in time')
  })

  it('that does not run is not started for a question about it', async () => {
    expect(await refusal(createClient().call(route, { noStart: true }))).toMatchObject({
      code: 'daemon.unreachable',
      message: 'no daemon runs for this home',
      hint: expect.stringContaining('starts by itself'),
    })
  })

  it('is not told a secret through a folder that others can write to', async () => {
    let asked = false
    await serve((_, response) => {
      asked = true
      response.end('{}')
    })
    chmodSync(join(home, 'run'), 0o777)
    expect((await refusal(createClient().call(route, { body: new Secret('x') }))).message).toContain('only this account')
    expect(asked).toBe(false)
  })

  it('streams, and throws when it refuses to', async () => {
    await serve((request, response) => (request.url?.includes('bad') === true ? response.writeHead(400).end('{}') : response.end('a\nb\n')))
    let text = ''
    for await (const chunk of await createClient().stream(['GET', '/v1/audit'], { since: '1' })) text += String(chunk)
    expect(text).toBe('a\nb\n')
    await expect(createClient().stream(['GET', '/v1/audit'], { q: 'bad' })).rejects.toBeInstanceOf(JitError)
  })
})
