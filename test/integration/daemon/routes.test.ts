import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  applyView,
  doctorView,
  explainView,
  listedTool,
  kindView,
  leaseView,
  proposalView,
  providerView,
  receipts,
  routes,
  serverView,
  statusView,
  tokenView,
  verifyView,
} from '../../../src/api/schema.ts'
import { errorTable } from '../../../src/core/errors.ts'
import { root } from '../../support/command.ts'
import { type RunningDaemon, startDaemon } from './running-daemon.ts'

type RouteName = keyof typeof routes

interface Case {
  /** Parameters of the path, with a query. */
  readonly path?: string
  readonly body?: unknown
  /** What the good input gets. */
  readonly status: number
  readonly answer: z.ZodType
  /** Bodies or paths that are refused, with the code. */
  readonly refused?: readonly { readonly path?: string; readonly body?: unknown; readonly code: string }[]
}

const fixture = join(root, 'test/support/fixture-server.mjs')
const config = `version: 1\nservers:\n  one:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [big]\n`
const entry = { run: ['node', fixture], allow: ['big'] }
const failure = z.object({
  error: z.object({
    code: z.enum(Object.keys(errorTable)),
    message: z.string().min(1),
    hint: z.string(),
    details: z.record(z.string(), z.unknown()),
  }),
})
const anything = z.looseObject({})
const usage = { code: 'usage' } as const

/** In this order: what one route leaves is what the next one finds. */
const cases: Record<Exclude<RouteName, 'stop'>, Case> = {
  status: { status: 200, answer: statusView },
  kinds: { status: 200, answer: z.array(kindView).min(1) },
  providers: { status: 200, answer: z.array(providerView) },
  registerProvider: {
    body: { kind: 'github-app', name: 'acme', config: { appId: 1, installation: 'acme' }, secrets: { privateKey: 'no key' } },
    status: 401,
    answer: failure,
    refused: [
      { body: { kind: 'nothing', name: 'acme', config: {}, secrets: {} }, ...usage },
      { body: { kind: 'github-app', name: 'acme', config: {}, secrets: { privateKey: 'x' } }, ...usage },
      { body: { kind: 'github-app', name: 'acme', config: { appId: 1, installation: 'acme' }, secrets: {} }, ...usage },
      { body: { kind: 'github-app', name: '../../x', config: { appId: 1, installation: 'acme' }, secrets: { privateKey: 'x' } }, ...usage },
      {
        body: { kind: 'github-app', name: '__proto__', config: { appId: 1, installation: 'acme' }, secrets: { privateKey: 'x' } },
        ...usage,
      },
    ],
  },
  login: {
    body: { kind: 'github-app', name: 'acme', config: { appId: 1, installation: 'acme' }, secrets: { privateKey: 'no key' } },
    status: 200,
    answer: failure,
    refused: [
      { body: { kind: 'nothing', name: 'acme', config: {}, secrets: {} }, ...usage },
      { body: { kind: 'mcp', name: 'acme', config: { url: 'http://example.com/mcp' }, secrets: {} }, ...usage },
      { body: { kind: 'mcp', name: 'acme', config: { url: 'https://example.com/mcp' }, secrets: { session: '{}' } }, ...usage },
    ],
  },
  removeProvider: { path: '/acme', status: 404, answer: failure },
  servers: { status: 200, answer: z.array(serverView).length(1) },
  addServer: {
    body: { name: 'two', entry },
    status: 200,
    answer: serverView,
    refused: [
      { body: { name: 'one', entry }, code: 'conflict' },
      { body: { name: 'a b', entry }, ...usage },
      { body: { name: 'three', entry: { ...entry, alow: [] } }, code: 'config.invalid' },
      { body: { name: 'three', entry: { ...entry, provider: 'nobody' } }, code: 'config.invalid' },
      { body: { name: 'three', entry: { ...entry, run: ['node', '/nowhere/x.js'] } }, code: 'server.start' },
      { body: { name: 'three', entry: { ...entry, run: ['no-such-program-here'] } }, code: 'server.start' },
      ...['http://127.0.0.1:9/', 'https://localhost/', 'http://[::1]:9/'].map((url) => ({
        body: { name: 'three', entry: { url } },
        ...usage,
      })),
      { body: { name: 'three', entry: { url: 'http://127.0.0.1:9/' }, dial: { name: '127.0.0.1:9', address: '127.0.0.1:10' } }, ...usage },
      { body: { name: 'three', entry: { url: 'https://a.dev/' }, dial: { name: 'a.dev:443', address: '127.0.0.1:10' } }, ...usage },
      { body: { name: 'three', entry, dial: { name: '127.0.0.1:9', address: '127.0.0.1:9' } }, ...usage },
    ],
  },
  updateServer: {
    path: '/two/update',
    status: 200,
    answer: z.object({ name: z.literal('two'), pin: z.string().min(1), before: z.string() }),
    refused: [{ path: '/toString/update', code: 'not-found' }],
  },
  serverTools: {
    path: '/two/tools',
    status: 200,
    answer: z.array(listedTool).min(1),
    refused: [
      { path: '/nobody/tools', code: 'not-found' },
      { path: '/constructor/tools', code: 'not-found' },
    ],
  },
  removeServer: {
    path: '/two',
    status: 200,
    answer: anything,
    refused: [
      { path: '/nobody', code: 'not-found' },
      { path: '/%00', code: 'not-found' },
    ],
  },
  explain: {
    body: { server: 'one', tool: 'big', args: { size: 1 } },
    status: 200,
    answer: explainView,
    refused: [
      { body: { server: 'nobody', tool: 'big', args: {} }, code: 'not-found' },
      { body: { server: 'constructor', tool: 'big', args: {} }, code: 'not-found' },
      { body: { server: 'one', tool: 'big', args: [] }, ...usage },
    ],
  },
  proposals: { status: 200, answer: z.array(proposalView) },
  proposal: { path: '/proposal_nobody', status: 404, answer: failure },
  acceptProposal: {
    path: '/proposal_nobody/accept',
    body: { digest: '' },
    status: 404,
    answer: failure,
    refused: [{ path: '/proposal_nobody/accept', body: {}, ...usage }],
  },
  rejectProposal: { path: '/proposal_nobody/reject', status: 404, answer: failure },
  addToken: {
    body: { name: 'cursor', hash: 'a'.repeat(64), servers: ['one'], life: 60_000 },
    status: 200,
    answer: tokenView,
    refused: [
      { body: { name: 'cursor', hash: 'b'.repeat(64) }, code: 'conflict' },
      { body: { name: 'other', hash: 'a'.repeat(64) }, code: 'conflict' },
      { body: { name: 'other', hash: 'b'.repeat(64), servers: ['nobody'] }, code: 'not-found' },
      { body: { name: 'other', hash: 'jit_mcp_secret' }, ...usage },
      { body: { name: 'a b', hash: 'b'.repeat(64) }, ...usage },
      { body: { name: 'other', hash: 'b'.repeat(64), life: 0 }, ...usage },
    ],
  },
  tokens: { status: 200, answer: z.array(tokenView).length(1) },
  removeToken: {
    path: '/cursor',
    status: 200,
    answer: z.object({ removed: z.literal('cursor') }),
    refused: [{ path: '/cursor', code: 'not-found' }],
  },
  leases: { status: 200, answer: z.array(leaseView) },
  revoke: {
    body: { all: true },
    status: 200,
    answer: receipts,
    refused: [
      { body: { all: false }, ...usage },
      { body: { all: true, server: 'one' }, ...usage },
      { body: { lease: 'lease_nobody' }, code: 'not-found' },
    ],
  },
  seal: {
    body: {},
    status: 200,
    answer: z.looseObject({ state: z.literal('sealed') }),
    refused: [
      { body: { passphrase: '' }, ...usage },
      { body: { passphrase: 1 }, ...usage },
    ],
  },
  unseal: { body: {}, status: 200, answer: z.looseObject({ state: z.literal('open') }), refused: [{ body: { passphrase: [] }, ...usage }] },
  lock: { status: 200, answer: z.looseObject({ locked: z.literal(true) }) },
  unlock: { status: 200, answer: z.looseObject({ locked: z.literal(false) }) },
  audit: {
    path: '?limit=1',
    status: 200,
    answer: z.looseObject({ seq: z.number(), hash: z.string() }),
    refused: [
      { path: '?limit=0', ...usage },
      { path: '?limit=x', ...usage },
      { path: '?since=yesterday', ...usage },
      { path: '?nothing=1', ...usage },
      { path: '?follow=perhaps', ...usage },
    ],
  },
  verify: { status: 200, answer: verifyView.extend({ ok: z.literal(true) }) },
  trace: { path: '/nobody', status: 404, answer: failure },
  approvals: { status: 200, answer: z.array(anything).length(0) },
  answer: {
    path: '/approval_x',
    body: { answer: 'approved', digest: 'x' },
    status: 404,
    answer: failure,
    refused: [{ path: '/approval_x', body: { answer: 'perhaps', digest: 'x' }, ...usage }],
  },
  checkConfig: { body: {}, status: 200, answer: applyView },
  applyConfig: {
    body: {},
    status: 200,
    answer: applyView,
    refused: [
      { body: { digest: 1 }, ...usage },
      { body: { digest: 'x' }, code: 'conflict' },
      { body: { force: true }, ...usage },
    ],
  },
  doctor: { status: 200, answer: doctorView },
}

const names = Object.keys(cases).filter((name): name is keyof typeof cases => Object.hasOwn(cases, name))

describe('the API on the real socket', () => {
  let daemon: RunningDaemon
  let home: string

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'jit-routes-'))
    writeFileSync(join(home, 'jit.yaml'), config, { mode: 0o600 })
    daemon = await startDaemon(home, { untilTestEnds: false })
  })
  afterAll(async () => {
    daemon.signal('SIGKILL')
    await daemon.ended
    rmSync(home, { recursive: true, force: true })
  })

  const url = (name: RouteName, path = cases[name === 'stop' ? 'status' : name].path ?? ''): string =>
    path.startsWith('/') ? routes[name][1].replace(/\/:.*$/, path) : `${routes[name][1]}${path}`

  describe.each(names)('%s', (name) => {
    const { body, status, answer, refused = [] } = cases[name]
    const [method] = routes[name]

    it('answers good input as its schema says', async () => {
      const found = await daemon.ask(method, url(name), body === undefined ? {} : { body })
      expect([found.status, found.text]).toEqual([status, found.text])
      answer.parse(found.body ?? JSON.parse(found.text.split('\n')[0] ?? ''))
    })

    it.each(refused)('refuses %j', async ({ path, body: bad, code }) => {
      const found = await daemon.ask(method, url(name, path), bad === undefined ? {} : { body: bad })
      expect(failure.parse(found.body).error).toMatchObject({ code })
      expect(found.status).toBe(errorTable[failure.parse(found.body).error.code as keyof typeof errorTable].http)
    })

    it('does not answer what a browser or a proxy could have sent', async () => {
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { referer: 'https://evil.example/' },
        { host: 'evil.example' },
        { host: '127.0.0.1:80' },
      ]) {
        const found = await daemon.ask(method, url(name), { headers, ...(body === undefined ? {} : { body }) })
        expect(found).toMatchObject({ status: 403, body: { error: { code: 'policy.denied' } } })
      }
    })
  })

  describe.each(names.filter((name) => routes[name][0] === 'POST'))('%s', (name) => {
    const { body } = cases[name]
    const [method] = routes[name]

    it('refuses bodies that are too large, not JSON, or not what it takes, and goes on', async () => {
      const big = JSON.stringify({ text: 'x'.repeat(9 * 1024 * 1024) })
      const found = await daemon.ask(method, url(name), { raw: big }).catch((error: unknown) => String(error))
      // The answer comes before all is sent; a client that goes on writing may find the connection closed.
      if (typeof found === 'string') expect(found).toMatch(/EPIPE|ECONNRESET|hang up/)
      else expect(found).toMatchObject({ status: 413, body: { error: { code: 'message.too-large' } } })
      const bodies = [
        '{',
        '"',
        '\u0000',
        '{"__proto__":{"all":true}}',
        '{"constructor":{"prototype":{}}}',
        `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      ]
      if (body !== undefined) bodies.push('[]', '7', '"all"', '{"unknown":1}')
      for (const raw of bodies) {
        const { status: got, body: said } = await daemon.ask(method, url(name), { raw })
        expect([raw.slice(0, 40), got]).toEqual([raw.slice(0, 40), expect.toSatisfy((code: number) => code >= 200 && code < 500)])
        if (got >= 400) failure.parse(said)
      }
    })
  })

  it('says that a path or a method does not exist', async () => {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/v1'],
      ['GET', '/v2/status'],
      ['PUT', '/v1/status'],
      ['POST', '/v1/status'],
      ['GET', '/v1/status/../../etc'],
    ] as const)
      expect(await daemon.ask(method, path)).toMatchObject({ status: 404, body: { error: { code: 'not-found' } } })
  })

  it.runIf(process.getuid?.() === 0)('cannot be reached by another account', () => {
    for (const socket of [daemon.apiSocket, daemon.connectSocket]) {
      const script = `require('node:net').connect(${JSON.stringify(socket)}).on('error',(e)=>console.log(e.code)).on('connect',()=>console.log('connected'))`
      const run = spawnSync(process.execPath, ['-e', script], { uid: 65_534, gid: 65_534, encoding: 'utf8', timeout: 10_000, cwd: '/' })
      expect(`${run.stdout}${run.stderr}${run.error?.message ?? ''}`).toMatch(/EACCES/)
    }
  })

  it('has met no defect of its own, and no secret stands in its log', () => {
    expect(daemon.alive()).toBe(true)
    expect(daemon.log()).not.toMatch(/request failed|daemon failed|no key/)
  })

  it('stops when it is asked, after the answer', async () => {
    expect((await daemon.ask('POST', '/v1/stop', { headers: { origin: 'https://evil.example' } })).status).toBe(403)
    expect((await daemon.ask('POST', '/v1/stop')).body).toMatchObject({ stopping: true, pid: daemon.pid })
    expect(await daemon.ended).toBe(0)
  })
})
