import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { configSchema, server as serverSchema } from '../../../src/config/schema.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { accountFiles, nameFiles } from '../../../src/sandbox/identity-files.ts'
import type { Machine } from '../../../src/sandbox/machine.ts'
import { networkOf } from '../../../src/sandbox/network.ts'
import { createSandbox, verdictOf } from '../../../src/sandbox/sandbox.ts'
import { javaTruststore, truststorePassword } from '../../../src/sandbox/truststore.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { createTestAuthority } from '../../support/certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'jit-sandbox-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const able: Machine = { kind: 'bubblewrap', bubblewrap: { file: '/usr/bin/bwrap', setpriv: '/usr/bin/setpriv' } }
const unable: Machine = { kind: 'none', reason: 'bubblewrap is not installed', advice: 'Install it.' }
const local = { run: ['server'] }

describe('whether a server has a sandbox', () => {
  it.each([
    { what: 'a local one', server: local, machine: able, verdict: { used: true, kind: 'bubblewrap', network: 'broker' } },
    { what: 'where the machine cannot', server: local, machine: unable, verdict: { used: false, kind: 'none', network: 'machine' } },
    { what: 'switched off', server: { ...local, sandbox: 'off' }, machine: able, verdict: { used: false, kind: 'none' } },
    { what: 'a remote one', server: { url: 'https://mcp.test' }, machine: able, verdict: { used: false, kind: 'remote' } },
    { what: 'docker', server: { run: ['/usr/bin/docker', 'run', 'x'] }, machine: able, verdict: { used: false } },
    { what: 'docker, on', server: { run: ['docker', 'run', 'x'], sandbox: 'on' }, machine: able, verdict: { used: true } },
    { what: 'uv run', server: { run: ['uv', 'run', 'x'] }, machine: able, verdict: { used: false } },
    { what: 'uv tool run, which is uvx', server: { run: ['uv', 'tool', 'run', 'x'] }, machine: able, verdict: { used: true } },
    { what: 'npx', server: { run: ['npx', '-y', 'x'] }, machine: able, verdict: { used: true } },
    {
      what: 'mode env',
      server: { ...local, provider: 'p', inject: { mode: 'env' } },
      machine: able,
      verdict: { used: true, network: 'machine' },
    },
    {
      what: 'mode credentials',
      server: { ...local, provider: 'p', inject: { mode: 'credentials' } },
      machine: able,
      verdict: { network: 'machine' },
    },
    {
      what: 'mode endpoint',
      server: { ...local, provider: 'p', inject: { mode: 'endpoint' } },
      machine: able,
      verdict: { network: 'broker' },
    },
    { what: 'mode env without a provider', server: { ...local, inject: { mode: 'env' } }, machine: able, verdict: { network: 'broker' } },
  ])('$what: $verdict', ({ server, machine, verdict }) => {
    const found = verdictOf(serverSchema.parse(server), machine)
    expect(found).toMatchObject(verdict)
    expect(found.reason).not.toBe('')
  })

  it('says what it could not be shown of what it declares, before it is started', () => {
    const sandbox = open(
      { good: { ...local, readable: [folder] }, bad: { ...local, writable: [join(folder, 'not-there')] } },
      async () => able,
    )
    expect(sandbox.problem('good')).toBeUndefined()
    expect(sandbox.problem('bad')).toMatchObject({
      code: 'server.start',
      message: expect.stringContaining('it is not there'),
      hint: expect.stringContaining('Correct `writable`'),
    })
  })

  it('is asked of the machine once, anew by jit doctor, and each time while bubblewrap is missing', async () => {
    const answers: Machine[] = [unable, able, able]
    let asked = 0
    const sandbox = open({ local }, async () => answers[asked++] ?? able)
    expect((await sandbox.judge(serverSchema.parse(local))).used).toBe(false)
    expect((await sandbox.judge(serverSchema.parse(local))).used).toBe(true)
    expect((await sandbox.judge(serverSchema.parse(local))).used).toBe(true)
    expect(asked).toBe(2)
    await sandbox.machine(true)
    expect(asked).toBe(3)
  })
})

describe('a lane', () => {
  it('of a server that must have a sandbox does not start without, and says what to install', async () => {
    const sandbox = open({ strict: { ...local, sandbox: 'on' }, lax: local }, async () => unable)
    await expect(sandbox.open('strict')).rejects.toMatchObject({ code: 'server.start', hint: expect.stringContaining('Install it.') })
    expect(await sandbox.open('lax')).toBeUndefined()
    await expect(sandbox.open('none')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('has a private folder of its own, which goes with it; those of a daemon that died are gone at the start', async () => {
    const sandbox = open({ local }, async () => able)
    const [one, two] = [await sandbox.open('local'), await sandbox.open('local')]
    expect(one?.folder).not.toBe(two?.folder)
    one?.close()
    expect(existsSync(one?.folder ?? '')).toBe(false)
    expect(existsSync(two?.folder ?? '')).toBe(true)
    open({ local }, async () => able)
    expect(existsSync(two?.folder ?? '')).toBe(false)
  })
})

describe('the network of a box', () => {
  it('has the names of its upstreams; addresses cannot be led elsewhere', () => {
    const origins = ['https://api.test', 'https://api.test:8443', 'http://plain.test', 'https://10.0.0.1', 'https://[::1]:8200', 'nonsense']
    expect(
      networkOf({ proxyUrl: 'http://a:b@127.0.0.1:4000', endpointUrl: 'http://127.0.0.1:5000', caFile: '/ca', doors: [] }, origins),
    ).toEqual({
      doors: [],
      hosts: ['api.test', 'plain.test'],
      caFile: '/ca',
      ports: [4000, 5000],
    })
  })

  it('is written so that a name cannot add a line', () => {
    expect(nameFiles({ hosts: ['api.test', 'x y', 'a\n1.2.3.4 b'] })['hosts']).toBe(
      '127.0.0.1 localhost\n::1 localhost\n127.0.0.1 api.test\n',
    )
    expect(accountFiles({ uid: 1, gid: 2, name: 'a:b\nroot', home: '/h:x' })['passwd']).toBe('a_b_root:x:1:2::/h_x:/bin/sh\n')
  })
})

describe('the truststore for Java', () => {
  it.skipIf(spawnSync('keytool', ['-help']).status !== 0)('is one that Java reads, with the one certificate in it', async () => {
    const { ca } = await createTestAuthority(['api.test'])
    const store = join(folder, 'truststore')
    writeFileSync(store, javaTruststore(ca, Date.now()))
    const listed = execFileSync('keytool', ['-list', '-keystore', store, '-storetype', 'JKS', '-storepass', truststorePassword], {
      encoding: 'utf8',
    })
    expect(listed).toContain('contains 1 entry')
    expect(listed).toContain('trustedCertEntry')
    const pem = execFileSync('keytool', ['-exportcert', '-rfc', '-alias', 'jit', '-keystore', store, '-storepass', truststorePassword], {
      encoding: 'utf8',
    })
    expect(pem.replace(/\s/g, '')).toBe(ca.replace(/\s/g, ''))
  })
})

function open(servers: Readonly<Record<string, object>>, machine: () => Promise<Machine>): Sandbox {
  const config = configSchema.parse({ version: 1, servers })
  const places = { home: folder, hidden: [], fixed: [] }
  return createSandbox({ folder: join(folder, 'box'), places, baseFolder: folder, clock: systemClock, config: () => config, machine })
}
