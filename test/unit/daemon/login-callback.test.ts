import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { listenForLogin } from '../../../src/daemon/login-callback.ts'
import type { CallbackPlace, LoginCallback } from '../../../src/provider/contract.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const state = 'a-state-of-forty-three-characters-or-so-1234'
const never = new AbortController().signal
const clock = new FakeClock()
const open: LoginCallback[] = []

async function listen(place: Partial<CallbackPlace> = {}): Promise<LoginCallback> {
  const callback = await listenForLogin({ path: '/callback', ...place }, clock)
  open.push(callback)
  return callback
}

afterEach(() => {
  for (const callback of open.splice(0)) callback.close()
})

interface Page {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

function get(address: string, { host, method = 'GET' }: { host?: string; method?: string } = {}): Promise<Page> {
  return new Promise((resolve, reject) => {
    const outgoing = request(address, { method, agent: false, ...(host === undefined ? {} : { headers: { host } }) }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
}

describe('the way back from the browser', () => {
  it('takes the one request with the state, and shows a page with nothing of it', async () => {
    const callback = await listen()
    const waiting = callback.wait(state, never)
    const page = await get(`${callback.redirectUri}?state=${state}&code=secret-code-canary`)
    expect((await waiting).get('code')).toBe('secret-code-canary')
    expect(page.status).toBe(200)
    expect(page.body).not.toContain('canary')
    expect(page.headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
    })
    expect(await get(`${callback.redirectUri}?state=${state}&code=another`)).toMatchObject({ status: 410 })
  })

  it('says of a refusal only that there was one', async () => {
    const callback = await listen()
    const waiting = callback.wait(state, never)
    const page = await get(`${callback.redirectUri}?state=${state}&error=%3Cscript%3E`)
    expect((await waiting).get('error')).toBe('<script>')
    expect(page.body).not.toContain('<script>')
    expect(page.body).toContain('refused')
  })

  it.each<[string, (callback: LoginCallback) => [string, { host?: string; method?: string }?]]>([
    ['another state', ({ redirectUri }) => [`${redirectUri}?state=${state.slice(0, -1)}x&code=a`]],
    ['a shorter state', ({ redirectUri }) => [`${redirectUri}?state=${state.slice(0, -1)}&code=a`]],
    ['no state', ({ redirectUri }) => [`${redirectUri}?code=a`]],
    ['an empty state', ({ redirectUri }) => [`${redirectUri}?state=&code=a`]],
    ['two states', ({ redirectUri }) => [`${redirectUri}?state=${state}&state=${state}&code=a`]],
    ['another path', ({ redirectUri }) => [`${redirectUri}/?state=${state}&code=a`]],
    ['another method', ({ redirectUri }) => [`${redirectUri}?state=${state}&code=a`, { method: 'POST' }]],
    ['a glance only', ({ redirectUri }) => [`${redirectUri}?state=${state}&code=a`, { method: 'HEAD' }]],
    ['the name of a stranger', ({ redirectUri }) => [`${redirectUri}?state=${state}&code=a`, { host: 'evil.example.com' }]],
    [
      'another name of this machine',
      ({ redirectUri }) => [`${redirectUri}?state=${state}&code=a`, { host: `localhost:${new URL(redirectUri).port}` }],
    ],
    ['no port in its name', ({ redirectUri }) => [`${redirectUri}?state=${state}&code=a`, { host: '127.0.0.1' }]],
  ])('goes on waiting after a request with %s', async (_, make) => {
    const callback = await listen()
    const waiting = callback.wait(state, never)
    expect(await get(...make(callback))).toMatchObject({ status: 404 })
    await get(`${callback.redirectUri}?state=${state}&code=right`)
    expect((await waiting).get('code')).toBe('right')
  })

  it('ends after ten minutes, and with the signal', async () => {
    const callback = await listen()
    const waiting = callback.wait(state, never)
    const ended = expect(waiting).rejects.toMatchObject({ code: 'provider.login' })
    await clock.advance(599_000)
    expect(await get(callback.redirectUri)).toMatchObject({ status: 404 })
    await clock.advance(2000)
    await ended
    await expect(get(callback.redirectUri)).rejects.toThrow('ECONNREFUSED')
    await expect(callback.wait(state, never)).rejects.toMatchObject({ code: 'provider.login' })

    const other = await listen()
    const gone = new AbortController()
    const left = expect(other.wait(state, gone.signal)).rejects.toThrow('gone')
    gone.abort(new Error('gone'))
    await left
    expect(await get(`${other.redirectUri}?state=${state}&code=late`)).toMatchObject({ status: 404 })
  })

  it.each([
    ['on by an hour, or the machine slept', [3_600_000]],
    ['on by an hour and back, while somebody came', [3_600_000, -3_600_000]],
  ])('is over when the wall clock jumps %s', async (_, jumps) => {
    const callback = await listen()
    const ended = expect(callback.wait(state, never)).rejects.toMatchObject({ code: 'provider.login' })
    for (const [turn, jump] of jumps.entries()) {
      clock.jumpWall(jump)
      const asked = get(`${callback.redirectUri}?state=${state}&code=late`)
      if (turn === 0) expect(await asked).toMatchObject({ status: 404, body: expect.stringContaining('took too long') })
      else await expect(asked).rejects.toThrow('ECONNREFUSED')
    }
    await ended
    await expect(callback.wait(state, never)).rejects.toMatchObject({ code: 'provider.login' })
  })

  it('does not live longer because the wall clock was set back', async () => {
    const callback = await listen()
    const ended = expect(callback.wait(state, never)).rejects.toMatchObject({ code: 'provider.login' })
    clock.jumpWall(-3_600_000)
    await clock.advance(600_000)
    await ended
    clock.jumpWall(3_600_000)
  })

  it('listens on loopback only, under the name that was asked for', async () => {
    const callback = await listen({ host: 'localhost', path: '/oidc/callback' })
    const { port } = new URL(callback.redirectUri)
    expect(callback.redirectUri).toBe(`http://localhost:${port}/oidc/callback`)
    const waiting = callback.wait(state, never)
    await get(`http://127.0.0.1:${port}/oidc/callback?state=${state}`, { host: `localhost:${port}` })
    expect((await waiting).get('state')).toBe(state)
  })

  it('says so when its port is taken', async () => {
    const first = await listen()
    await expect(listen({ port: Number(new URL(first.redirectUri).port) })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('answers no flood of guesses', async () => {
    const callback = await listen()
    const { port } = new URL(callback.redirectUri)
    let cut = 0
    for (let guess = 0; guess < 80; guess += 1) await get(`${callback.redirectUri}?state=${guess}`).catch(() => (cut += 1))
    expect(cut).toBe(16)
    const waiting = callback.wait(state, never)
    // What holds a connection open without a word keeps nobody out.
    const silent = Array.from({ length: 40 }, () => connect(Number(port), '127.0.0.1').on('error', () => undefined))
    await Promise.all(silent.map((socket) => new Promise((settle) => socket.once('connect', settle))))
    await get(`${callback.redirectUri}?state=${state}`)
    await waiting
    for (const socket of silent) socket.destroy()
  })
})
