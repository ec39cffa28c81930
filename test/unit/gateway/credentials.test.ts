import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHttp } from '@aws-sdk/credential-providers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { type CredentialsEndpoint, openCredentialsEndpoint } from '../../../src/gateway/inject/credentials.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { lease, type TestLease } from '../egress/support.ts'

const keys = { accessKeyId: 'ASIAREALREALREALREAL', secretAccessKey: 'real/secret', sessionToken: 'real-session-token' }

let folder: string
let held: TestLease
let clock: FakeClock
let endpoint: CredentialsEndpoint
const opened: CredentialsEndpoint[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jit-credentials-'))
  clock = new FakeClock()
  held = keysOf(clock.now() + 900_000)
  endpoint = await open()
})

afterEach(() => {
  for (const each of opened.splice(0)) each.close()
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

function keysOf(expiresAt: number): TestLease {
  const secrets = Object.fromEntries(Object.entries(keys).map(([name, value]) => [name, new Secret(value)]))
  return { ...lease(), secrets, expiresAt }
}

async function open(lane = 'lane_1'): Promise<CredentialsEndpoint> {
  const made = await openCredentialsEndpoint({ lane, lease: held, folder, clock })
  opened.push(made)
  return made
}

const url = (): URL => new URL(endpoint.environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '')
const file = (): string => endpoint.environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? ''
const token = (): string => readFileSync(file(), 'utf8')

describe('the credentials endpoint of a lane', () => {
  it('gives AWS’s own client the keys of the lease, for less time than after which clients come back', async () => {
    for (const [name, value] of Object.entries(endpoint.environment)) vi.stubEnv(name, value)
    const found = await fromHttp({ maxRetries: 0 })()
    expect(found).toMatchObject(keys)
    expect(found.expiration?.getTime()).toBe(clock.now() + 60_000)
  })

  it('never says that keys live longer than they do', async () => {
    held = keysOf(clock.now() + 20_000)
    endpoint = await open('lane_2')
    const answer = await fetch(url(), { headers: { authorization: token() } })
    expect(await answer.json()).toMatchObject({ Expiration: new Date(clock.now() + 20_000).toISOString() })
  })

  it('keeps its token where only this account reads it, and takes it away at the end', () => {
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(url().hostname).toBe('127.0.0.1')
    endpoint.close()
    expect(existsSync(file())).toBe(false)
  })

  it('gives nothing any more once the lease is over', async () => {
    held.revoke()
    const answer = await fetch(url(), { headers: { authorization: token() } })
    expect([answer.status, await answer.json()]).toEqual([403, { Code: 'ExpiredToken', Message: 'jit: the lease of this lane is over' }])
  })

  it('gives nothing once the lease is past its end, although nobody has ended it yet', async () => {
    held = keysOf(clock.now())
    endpoint = await open('lane_2')
    expect((await fetch(url(), { headers: { authorization: token() } })).status).toBe(403)
  })

  it.each<[string, (asked: URL) => void, () => Record<string, string>, string, number]>([
    ['no token', () => undefined, () => ({}), 'GET', 401],
    ['another token', () => undefined, () => ({ authorization: 'x'.repeat(40) }), 'GET', 401],
    ['the token as a bearer token', () => undefined, () => ({ authorization: `Bearer ${token()}` }), 'GET', 401],
    ['another path', (asked) => (asked.pathname = '/'), () => ({ authorization: token() }), 'GET', 404],
    ['a longer path', (asked) => (asked.pathname += '/x'), () => ({ authorization: token() }), 'GET', 404],
    ['a query', (asked) => (asked.search = '?x'), () => ({ authorization: token() }), 'GET', 404],
    ['another method', () => undefined, () => ({ authorization: token() }), 'POST', 404],
  ])('refuses %s', async (_, change, headers, method, status) => {
    const asked = url()
    change(asked)
    const answer = await fetch(asked, { method, headers: headers() })
    const text = await answer.text()
    expect(answer.status).toBe(status)
    for (const secret of Object.values(keys)) expect(text).not.toContain(secret)
  })

  it('refuses a page that came under another name', async () => {
    const { port, pathname } = url()
    const text = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1')
      let all = ''
      socket.on('data', (chunk: Buffer) => (all += chunk.toString())).once('close', () => resolve(all))
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: rebound.example:${port}\r\nAuthorization: ${token()}\r\n\r\n`)
    })
    expect(text).toMatch(/^HTTP\/1\.1 404/)
    expect(text).not.toContain(keys.accessKeyId)
  })

  it('leaves nothing that listens where its token cannot be kept, and writes through no link', async () => {
    const elsewhere = join(folder, 'elsewhere')
    symlinkSync(elsewhere, join(folder, 'lane_3.token'))
    await expect(open('lane_3')).rejects.toThrow('EEXIST')
    await expect(open('lane_1')).rejects.toThrow('EEXIST')
    expect(existsSync(elsewhere)).toBe(false)
    const listening = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
    await vi.waitFor(() => expect(listening()).toBe(opened.length))
  })

  it('does not name the keys’ address to a page of a browser that guesses its port', async () => {
    const answer = await fetch(new URL('/', url()), { method: 'OPTIONS', headers: { origin: 'https://evil.example' } })
    expect(answer.status).toBe(404)
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('answers a token or a host that is sent twice with nothing', async () => {
    const { host, pathname } = url()
    const asked = async (lines: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(Number(url().port), '127.0.0.1')
        let all = ''
        socket.on('data', (chunk: Buffer) => (all += chunk.toString())).once('close', () => resolve(all))
        socket.write(`GET ${pathname} HTTP/1.1\r\n${lines}\r\n`)
      })
    const [hosts, tokens] = [`Host: evil.example\r\nHost: ${host}\r\n`, `Authorization: x\r\nAuthorization: ${token()}\r\n`]
    for (const lines of [`${hosts}Authorization: ${token()}\r\n`, `Host: ${host}\r\n${tokens}`])
      expect(await asked(lines)).not.toContain(keys.accessKeyId)
  })

  it('has room for its child although others take all places and say nothing', async () => {
    const silent = Array.from({ length: 40 }, () => connect(Number(url().port), '127.0.0.1').on('error', () => undefined))
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    expect((await fetch(url(), { headers: { authorization: token() } })).status).toBe(200)
    for (const socket of silent) socket.destroy()
  })

  it('is another one for each lane', async () => {
    const [first, mine] = [url(), token()]
    endpoint = await open('lane_2')
    expect(url().pathname).not.toBe(first.pathname)
    expect((await fetch(url(), { headers: { authorization: mine } })).status).toBe(401)
  })
})
