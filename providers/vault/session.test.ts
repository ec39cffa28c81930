import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { ownToken, roleId, secretId } from './fake/fixture.ts'
import { ask, failureOf, patience, shareBench, webRead } from './fake/bench.ts'

const bench = shareBench()

describe("the broker's own token", () => {
  const logins = {
    approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker'] },
    people: { type: 'userpass', name: 'jit', secret: 'pass-canary-4242', policies: ['broker'] },
    gitlab: { type: 'jwt', name: 'broker', secret: 'eyJ.jwt-canary.4242', policies: ['broker'] },
    k8s: { type: 'kubernetes', name: 'broker', secret: 'eyJ.pod-canary.4242', policies: ['broker'] },
  } as const
  const ways: [string, object, Record<string, string>][] = [
    ['a sealed token', { method: 'token', role: undefined }, { token: ownToken }],
    ['AppRole', { method: 'approle' }, { secretId }],
    ['userpass', { method: 'userpass', mount: 'people', username: 'jit' }, { password: logins.people.secret }],
    ['JWT', { method: 'jwt', mount: 'gitlab', role: 'broker' }, { jwt: logins.gitlab.secret }],
    ['Kubernetes', { method: 'kubernetes', mount: 'k8s', role: 'broker' }, { jwt: logins.k8s.secret }],
  ]

  it.each(ways)('is got by %s', async (_, config, secrets) => {
    await bench.start({ logins })
    bench.host = testHost(secrets)
    await expect(bench.open(config).mint(ask(webRead), patience())).resolves.toMatchObject({ granted: webRead })
    bench.host = testHost(Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, `${value}\n`])))
    await expect(bench.open(config).mint(ask(webRead), patience()), 'from a file').resolves.toMatchObject({ granted: webRead })
  })

  it.each(ways)('that %s does not give names the setting, and no secret', async (_, config, secrets) => {
    await bench.start({ logins })
    bench.host = testHost(Object.fromEntries(Object.keys(secrets).map((name) => [name, 'wrong-canary-4242'])))
    const error = await failureOf(bench.open(config).mint(ask(webRead), patience()))
    expect(error).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('jit login vault test') })
    expect(JSON.stringify(error.toBody())).not.toContain('wrong-canary-4242')
  })

  it('comes from a projected token that is read anew at each login', async () => {
    await bench.start({ logins: { k8s: { ...logins.k8s } } })
    const folder = await mkdtemp(join(tmpdir(), 'jit-vault-'))
    const jwtFile = join(folder, 'token')
    const provider = bench.open({ method: 'kubernetes', mount: 'k8s', role: 'broker', jwtFile })
    await expect(provider.mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.login',
      message: expect.stringContaining('jwtFile'),
    })
    await writeFile(jwtFile, 'eyJ.old')
    await expect(provider.mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.login',
      hint: expect.stringContaining('jwtFile'),
    })
    await writeFile(jwtFile, `${logins.k8s.secret}\n`)
    await expect(provider.mint(ask(webRead), patience())).resolves.toMatchObject({ granted: webRead })
    await rm(folder, { recursive: true })
  })

  it('is got once for all who wait, and anew when Vault does not know it any more', async () => {
    const provider = bench.open()
    const count = (): number => bench.standIn.journal.filter((entry) => entry.path === 'auth/approle/login').length
    await Promise.all([1, 2, 3].map(() => provider.mint(ask(webRead), patience())))
    expect(count()).toBe(1)
    bench.standIn.revokeOwn()
    await provider.mint(ask(webRead), patience())
    expect(count()).toBe(2)
  })

  it('that is sealed and dead leads to one message, and to no endless logins', async () => {
    const provider = bench.open({ method: 'token' })
    await provider.mint(ask(webRead), patience())
    bench.standIn.revokeOwn()
    for (const _ of [1, 2]) {
      const error = await failureOf(provider.mint(ask(webRead), patience()))
      expect(error).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('--token') })
    }
  })

  it('is not thrown away for a 403 that is about the path', async () => {
    const provider = bench.open()
    for (const _ of [1, 2]) await failureOf(provider.mint(ask({ dynamic: 'database/creds/admin' }), patience()))
    expect(bench.standIn.own().filter((entry) => entry.displayName !== 'seeded')).toHaveLength(1)
  })

  it.each([
    ['AppRole', {}, { approle: { ...logins.approle, tokenType: 'batch' as const } }],
    ['a sealed token', { method: 'token' }, {}],
  ])('may not be a batch token (%s)', async (way, config, more) => {
    await bench.start({ logins: { ...logins, ...more } })
    const body = { data: { ttl: 60, renewable: false, type: 'batch' } }
    const end = way === 'AppRole' ? () => undefined : bench.standIn.fault({ path: /lookup-self/, status: 200, body })
    await expect(bench.open(config).mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.login',
      message: expect.stringContaining('batch'),
    })
    end()
  })

  it('is renewed before it ends, and got anew when its longest life is over', async () => {
    const clock = new FakeClock()
    await bench.start({
      now: () => clock.now(),
      logins: { approle: { ...logins.approle, ttl: 900, maxTtl: 1800 } },
    })
    const provider = bench.open({}, { clock })
    const count = (path: string): number => bench.standIn.journal.filter((entry) => entry.path.endsWith(path)).length
    await provider.mint(ask(webRead), patience())
    await clock.advance(610_000)
    await expect.poll(() => count('renew-self')).toBe(1)
    await clock.advance(1_000)
    await provider.mint(ask(webRead), patience())
    expect(count('approle/login')).toBe(1)
    await clock.advance(1_000_000)
    await provider.mint(ask(webRead), patience())
    expect(count('approle/login')).toBe(2)
  })

  it('is given back when nothing hangs on it, and left to its end when something does', async () => {
    const used = bench.open()
    const credential = await used.mint(ask(webRead), patience())
    await used.close?.()
    expect(await bench.get(credential, 'web/data/app/db')).toBe(200)
    const idle = bench.open()
    await idle.prove(patience())
    const before = bench.standIn.own().length
    await idle.close?.()
    expect(bench.standIn.own().length).toBe(before - 1)
  })

  it('is not the one in the environment of the daemon', async () => {
    process.env['VAULT_TOKEN'] = 'hvs.somebody-else'
    process.env['VAULT_NAMESPACE'] = 'elsewhere'
    try {
      await bench.open({ namespace: 'team-a' }).mint(ask(webRead), patience())
      await bench.open().mint(ask(webRead), patience())
    } finally {
      delete process.env['VAULT_TOKEN']
      delete process.env['VAULT_NAMESPACE']
    }
    expect(bench.standIn.journal.filter((entry) => entry.path.endsWith('/login')).map((entry) => entry.token)).toEqual([false, false])
    expect(new Set(bench.standIn.journal.map((entry) => entry.namespace))).toEqual(new Set(['team-a', undefined]))
  })

  it('waits for nobody who gave up', async () => {
    const end = bench.standIn.fault({ path: /approle\/login/, delay: 10_000 })
    const started = performance.now()
    const error = await failureOf(bench.open().mint(ask(webRead), AbortSignal.timeout(100)))
    expect(performance.now() - started).toBeLessThan(3000)
    expect(mayHaveMinted(error)).toBe(false)
    end()
  })
})
