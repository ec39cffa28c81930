import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest, type Server } from 'node:http'
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https'
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { createDial } from '../../../src/network/dial.ts'
import { readHosts } from '../../../src/network/hosts.ts'
import { createNetwork, type Network } from '../../../src/network/network.ts'
import { createTestAuthority, type TestAuthority } from '../../support/certificates.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const log = { debug() {}, info() {}, warn: vi.fn(), error() {} }
const folder = mkdtempSync(join(tmpdir(), 'jit-network-'))
const servers: (Server | TcpServer)[] = []
const networks: Network[] = []
let authority: TestAuthority
let port: number
let plainPort: number

async function listen(server: Server | TcpServer): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function network(hosts: Record<string, string>, ca: string[] = ['ca.pem'], timeout = 5000): Network {
  const made = createNetwork({ hosts, ca, timeout }, { baseFolder: folder, clock: systemClock, log })
  networks.push(made)
  return made
}

beforeAll(async () => {
  authority = await createTestAuthority(['api.test', 'other.test'])
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  writeFileSync(join(folder, 'empty.pem'), 'nothing')
  port = await listen(
    createHttpsServer({ key: authority.key, cert: authority.cert }, (request, response) => {
      if (request.url === '/redirect') response.writeHead(302, { location: 'https://elsewhere.test/' }).end()
      else if (request.url === '/large') response.end(Buffer.alloc(9 * 1024 * 1024))
      else response.end(`${request.method ?? ''} ${request.headers.host ?? ''}`)
    }),
  )
  plainPort = await listen(createHttpServer((_, response) => response.end('plain')))
})
afterEach(async () => {
  await Promise.all(networks.splice(0).map((made) => made.close()))
})
afterAll(async () => {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  rmSync(folder, { recursive: true, force: true })
})

describe('the network of providers', () => {
  it('dials where network.hosts says, and keeps the name for Host and certificate', async () => {
    const answer = await network({ 'api.test': `127.0.0.1:${port}` }).fetch('https://api.test/x')
    expect(await answer.text()).toBe('GET api.test')
  })

  it('an entry with the port comes before the one without', async () => {
    const answer = await network({ 'api.test': '127.0.0.1:1', 'api.test:8443': `127.0.0.1:${port}` }).fetch('https://api.test:8443/x')
    expect(await answer.text()).toBe('GET api.test:8443')
  })

  it('takes a Request object too', async () => {
    const asked = new Request('https://api.test/x', { method: 'PUT', body: 'text' })
    expect(await (await network({ 'api.test': `127.0.0.1:${port}` }).fetch(asked)).text()).toBe('PUT api.test')
  })

  it('never follows a redirect, whatever the caller wants', async () => {
    const answer = await network({ 'api.test': `127.0.0.1:${port}` }).fetch('https://api.test/redirect', { redirect: 'follow' })
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).toBe('https://elsewhere.test/')
  })

  it('gives up on an answer over the cap', async () => {
    const answer = await network({ 'api.test': `127.0.0.1:${port}` }).fetch('https://api.test/large')
    await expect(answer.text()).rejects.toThrow()
  })

  it.each([
    ['a name that its certificate does not hold', { 'wrong.test': '' }, ['ca.pem'], 'https://wrong.test/', /altnames/],
    ['an authority that nobody trusts', { 'api.test': '' }, [], 'https://api.test/', /certificate/],
  ])('refuses %s', async (_, hosts, ca, url, message) => {
    const listed = Object.fromEntries(Object.keys(hosts).map((name) => [name, `127.0.0.1:${port}`]))
    await expect(reason(network(listed, ca).fetch(url))).resolves.toMatch(message)
  })

  it('verifies certificates although the environment says not to', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    try {
      await expect(reason(network({ 'api.test': `127.0.0.1:${port}` }, []).fetch('https://api.test/'))).resolves.toMatch(/certificate/)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('refuses loopback unless network.hosts lists it', async () => {
    await expect(reason(network({}).fetch(`https://127.0.0.1:${port}/`))).resolves.toMatch(/127\.0\.0\.1 is loopback/)
    await expect(reason(network({}).fetch(`https://2130706433:${port}/`))).resolves.toMatch(/loopback/)
    await expect(reason(network({}).fetch(`https://localhost:${port}/`))).resolves.toMatch(/loopback/)
  })

  it('speaks clear text only to a listed loopback address', async () => {
    expect(await (await network({ 'vault.test:80': `127.0.0.1:${plainPort}` }).fetch('http://vault.test/')).text()).toBe('plain')
    expect(await (await network({ [`127.0.0.1:${plainPort}`]: '127.0.0.1' }).fetch(`http://127.0.0.1:${plainPort}/`)).text()).toBe('plain')
    await expect(reason(network({}).fetch(`http://127.0.0.1:${plainPort}/`))).resolves.toMatch(/clear text/)
    await expect(reason(network({ 'vault.test': '10.0.0.1' }).fetch('http://vault.test/'))).resolves.toMatch(/clear text/)
  })

  it.each([
    [{ 'api.test': 'localhost:80' }, []],
    [{ 'api.test': '127.0.0.1:99999' }, []],
    [{ 'api.test': '[::1' }, []],
    [{ 'api.test': '300.1.1.1' }, []],
    [{}, ['missing.pem']],
    [{}, ['empty.pem']],
  ])('refuses the config %j %j', (hosts, ca) => {
    expect(() => createNetwork({ hosts, ca, timeout: 1000 }, folder)).toThrow(expect.objectContaining({ code: 'config.invalid' }))
  })

  it('asks nobody anything once it is closed, whether or not it ever did', async () => {
    const used = network({ 'api.test': `127.0.0.1:${port}` })
    await used.fetch('https://api.test/x')
    for (const made of [used, network({ 'api.test': `127.0.0.1:${port}` })]) {
      await made.close()
      await expect(made.fetch('https://api.test/x')).rejects.toThrow(TypeError)
    }
  })

  it('keeps connections for egress, and close ends the idle ones', async () => {
    const made = network({ 'api.test': `127.0.0.1:${port}` })
    const locals = new Set<number | undefined>()
    for (let turn = 0; turn < 3; turn += 1) {
      await new Promise<void>((resolve, reject) => {
        const outgoing = httpsRequest({ host: 'api.test', path: '/', agent: made.httpsAgent }, (answer) => {
          locals.add(answer.socket.localPort)
          answer.resume().once('end', resolve)
        })
        outgoing.once('error', reject).end()
      })
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(locals.size).toBe(1)
    expect(Object.values(made.httpsAgent.freeSockets).flat().length).toBe(1)
    await made.close()
    await vi.waitFor(() => expect(Object.values(made.httpsAgent.freeSockets).flat().length).toBe(0))
  })
})

it('an upstream that holds three hundred requests open, as those of one server’s lanes may be, still answers the next', async () => {
  let arrived = 0
  const held = await listen(createHttpServer((request, response) => void (request.url === '/next' ? response.end('here') : (arrived += 1))))
  const { httpAgent } = network({ 'plain.test': `127.0.0.1:${held}` })
  const ask = (path: string) => {
    const asked = httpRequest({ host: 'plain.test', path, agent: httpAgent })
    asked.on('error', () => undefined).end()
    return asked
  }
  const others = Array.from({ length: 300 }, () => ask('/'))
  await vi.waitFor(() => expect(arrived).toBe(300))
  const status = await new Promise((resolve) => ask('/next').once('response', (answer) => resolve(answer.statusCode)))
  expect(status).toBe(200)
  for (const other of others) other.destroy()
})

describe('dialling', () => {
  const trust = createSecureContext()

  it('asks for a name once and dials the very address that it checked', async () => {
    const answers = [['127.0.0.1'], ['10.0.0.1']]
    const asked = vi.fn(async () => answers.shift() ?? [])
    const checked: string[] = []
    const dial = createDial({
      hosts: readHosts({}),
      trust: createSecureContext({ ca: [authority.ca] }),
      timeout: 5000,
      clock: systemClock,
      log,
      resolve: asked,
      refuse: (address) => (checked.push(address), address === '127.0.0.1' ? undefined : `${address} is a private network`),
    })
    const socket = await dial('api.test', port, true)
    expect([socket.remoteAddress, asked.mock.calls.length, checked]).toEqual(['127.0.0.1', 1, ['127.0.0.1']])
    socket.destroy()
    await expect(reason(dial('api.test', port, true))).resolves.toMatch(/10\.0\.0\.1 is a private network/)
  })

  it('leaves out the forbidden addresses of a name, and says why when none is left', async () => {
    const resolve = async (): Promise<string[]> => ['169.254.169.254', 'fd00:ec2::254']
    const dial = createDial({ hosts: readHosts({}), trust, timeout: 1000, clock: systemClock, log, resolve })
    await expect(dial('metadata.test', 443, true)).rejects.toMatchObject({
      code: 'egress.upstream',
      message: expect.stringContaining('169.254.169.254 is link-local'),
      hint: expect.stringContaining('network.hosts'),
    })
    expect(log.warn).toHaveBeenCalledWith('upstream not dialled', expect.objectContaining({ name: 'metadata.test' }))
  })

  it.each<[name: string, port: number, tls: boolean, line: string]>([
    ['127.0.0.1', 9, true, '`network: { hosts: { "127.0.0.1:9": "127.0.0.1:9" } }`'],
    ['127.0.0.1', 9, false, '`network: { hosts: { "127.0.0.1:9": "127.0.0.1:9" } }`'],
    ['::1', 9, false, '`network: { hosts: { "[::1]:9": "[::1]:9" } }`'],
    ['localhost', 9, true, '`network: { hosts: { "localhost:9": "127.0.0.1:9" } }`'],
    ['10.0.0.1', 443, true, '`network: { hosts: { "10.0.0.1:443": "10.0.0.1" } }`'],
    ['vault.test', 80, false, '`network: { hosts: { "vault.test:80": "127.0.0.1:80" } }`'],
    ['meta.test', 443, true, '`network: { hosts: { "meta.test:443": "ADDRESS" } }`'],
    ['10.0.0.1', 80, false, 'Use https.'],
  ])('says what to write so that %s:%d is dialled (TLS: %s), and not where a stranger’s name leads', async (name, port, tls, line) => {
    const resolve = async (asked: string): Promise<string[]> => [asked === 'localhost' ? '127.0.0.1' : asked.replace(/^meta.*/, '10.9.9.9')]
    const dial = createDial({ hosts: readHosts({}), trust, timeout: 1000, clock: systemClock, log, resolve })
    await expect(dial(name, port, tls)).rejects.toMatchObject({ hint: expect.stringContaining(line) })
  })

  it('a name without an address is an error that names it', async () => {
    const dial = createDial({
      hosts: readHosts({}),
      trust,
      timeout: 1000,
      clock: systemClock,
      log,
      resolve: async () => Promise.reject(new Error('ENOTFOUND')),
    })
    await expect(dial('gone.test', 443, true)).rejects.toMatchObject({ message: '"gone.test:443": the name has no address' })
  })

  it('gives up when the handshake does not end in time', async () => {
    const silent = await listen(createTcpServer((socket) => socket.on('error', () => undefined).resume()))
    const clock = new FakeClock()
    const dial = createDial({ hosts: readHosts({ 'slow.test': `127.0.0.1:${silent}` }), trust, timeout: 3000, clock, log })
    const outcome = reason(dial('slow.test', 443, true))
    await clock.advance(3000)
    expect(await outcome).toMatch(/no connection within 3000 ms/)
    expect(clock.pending).toBe(0)
  })
})

/** The message of the failure and of what caused it. */
async function reason(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'no failure'
  } catch (error) {
    const messages: string[] = []
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) messages.push(cause.message)
    return messages.join(' ← ')
  }
}
