import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type SecureContext } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type Authority, createAuthorities } from '../../../src/egress/authority.ts'
import { listenOnLoopback } from '../../../src/egress/listen.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Bench, call, placeholder, shareBench, token } from './support.ts'

const run = promisify(execFile)

/** Runs a program in a Node of its own with nothing in its environment but what is given; answers what it printed. */
async function child(program: string, environment: Record<string, string>): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { env: environment, timeout: 15_000 })
  return JSON.parse(stdout)
}

describe('a child with a clean environment', () => {
  let bench: Bench
  shareBench((opened) => (bench = opened))

  it('reaches the upstream by its environment alone, with the token in place of what it holds', async () => {
    const lane = await bench.lane()
    lane.begin(call(['GET /repos/acme/web', 'POST /repos/acme/web/issues']))
    const program = `
      const headers = { authorization: 'Bearer ' + process.env.TOKEN }
      const ask = (url, more) => fetch(url, { headers, ...more }).then((answer) => answer.status, () => 'failed')
      console.log(JSON.stringify([
        await ask('https://api.test/repos/acme/web'),
        await ask('https://api.test/repos/acme/web/issues', { method: 'POST', body: '{}' }),
        await ask('https://api.test/repos/acme/secret'),
        await ask('https://open.test/file', { headers: {} }),
        await ask('https://evil.test/'),
      ]))`
    const environment = { HTTPS_PROXY: lane.proxyUrl, NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: lane.caFile, TOKEN: placeholder }
    expect(await child(program, environment)).toEqual([200, 200, 403, 200, 'failed'])
    expect(bench.upstream.journal.map(({ method, url, headers }) => [method, url, headers.authorization])).toEqual([
      ['GET', '/repos/acme/web', `Bearer ${token}`],
      ['POST', '/repos/acme/web/issues', `Bearer ${token}`],
      ['GET', '/file', undefined],
    ])
    expect(bench.refusals()).toEqual([
      'no rule of a call in flight admits this request',
      'the host is not among those that this server’s rules name',
    ])
    lane.close()
  })
})

describe('an authority', () => {
  const folder = mkdtempSync(join(tmpdir(), 'jit-authority-'))
  const clock = new FakeClock(Date.now())
  const authorities = createAuthorities(folder, clock)
  const servers: ReturnType<typeof createServer>[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })
  afterAll(() => {
    authorities.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** What a child that trusts the authority says of a server that shows this certificate for this name. */
  async function verdict(authority: Authority, context: SecureContext, name: string): Promise<unknown> {
    const server = createServer({ SNICallback: (_, done) => done(null, context) }, (socket) => socket.on('error', () => undefined).end())
    server.on('tlsClientError', () => undefined)
    servers.push(server)
    const port = await listenOnLoopback(server)
    const program = `
      import { connect } from 'node:tls'
      const socket = connect({ host: '127.0.0.1', port: ${port}, servername: ${JSON.stringify(name)} })
      socket.once('secureConnect', () => (console.log('"trusted"'), socket.destroy()))
      socket.once('error', (error) => console.log(JSON.stringify(error.message)))`
    return child(program, { NODE_EXTRA_CA_CERTS: authority.caFile })
  }

  it.each([
    ['a host of its set', ['api.test', 'open.test'], 'api.test', 'trusted'],
    ['another host of its set', ['api.test', 'open.test'], 'open.test', 'trusted'],
    ['a host outside', ['api.test'], 'evil.test', 'permitted subtree violation'],
    ['a host that ends like one of its set', ['api.test'], 'evil-api.test', 'permitted subtree violation'],
    ['a host above one of its set', ['api.test'], 'test', 'permitted subtree violation'],
    ['a host when its set is empty', [], 'api.test', 'excluded subtree violation'],
    ['a name when its set has addresses only', ['127.0.0.1'], 'api.test', 'excluded subtree violation'],
  ])('is believed or not about %s', async (_, hosts, name, expected) => {
    const authority = await authorities.get(new Set(hosts))
    expect(await verdict(authority, await authority.contextFor(name), name)).toBe(expected)
  })

  it('is shared by equal sets of hosts, for a day', async () => {
    const first = await authorities.get(new Set(['a.test', 'b.test']))
    expect(await authorities.get(new Set(['b.test', 'a.test']))).toBe(first)
    expect(await authorities.get(new Set(['a.test']))).not.toBe(first)
    await clock.advance(24 * 3_600_000)
    const second = await authorities.get(new Set(['a.test', 'b.test']))
    expect(second.caFile).not.toBe(first.caFile)
    // Children of the first one still trust it.
    expect(readFileSync(first.caFile, 'utf8')).toContain('BEGIN CERTIFICATE')
  })

  it('leaves certificates in the folder, never a key, and clears away those of an earlier process and nothing else', async () => {
    const place = mkdtempSync(join(tmpdir(), 'jit-authority-'))
    writeFileSync(join(place, 'ca-0123456789ab.pem'), 'old')
    // What a person names in `network.ca` may well be called so, in the same folder.
    writeFileSync(join(place, 'ca.pem'), 'x')
    const own = createAuthorities(place, clock)
    expect(readdirSync(place)).toEqual(['ca.pem'])
    const authority = await own.get(new Set(['api.test']))
    await authority.contextFor('api.test')
    const files = readdirSync(place).filter((name) => name !== 'ca.pem')
    expect(files).toHaveLength(1)
    expect(readFileSync(join(place, files[0] ?? ''), 'utf8')).not.toContain('PRIVATE')
    own.close()
    expect(readdirSync(place)).toEqual(['ca.pem'])
    rmSync(place, { recursive: true })
  })
})
