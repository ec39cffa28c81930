import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { ProviderHost } from '../../src/provider/index.ts'
import { expectNoTrace, inAllSpellings } from '../../test/support/echo.ts'
import { ownToken, roleId, secretId } from './fake/fixture.ts'
import { ask, failureOf, patience, shareBench, webPath, webRead } from './fake/bench.ts'

const bench = shareBench()

describe('what leaves the provider', () => {
  it.each([
    ['an answer', (said: string) => Response.json({ errors: [`not for you: ${said}`] }, { status: 400 })],
    ['a failure', (said: string) => Promise.reject(new TypeError(`${said} is an invalid header value`))],
  ])('holds no secret that comes back in %s', async (_, answer) => {
    const echo: ProviderHost['fetch'] = async (_url, init) =>
      answer(inAllSpellings(`${new Headers(init?.headers).get('x-vault-token')} ${String(init?.body)}`))
    for (const config of [{}, { method: 'token' }]) {
      const error = await failureOf(bench.open(config, { fetch: echo }).mint(ask(webRead), patience()))
      const told = `${String(error)} ${JSON.stringify(error.toBody())}`
      expect(told).toContain('[redacted by jit]')
      for (const secret of [secretId, ownToken]) expectNoTrace(told, secret)
    }
  })

  it('is nothing on the debug log of node-vault', async () => {
    const script = `
      const { vault } = await import(${JSON.stringify(new URL('index.ts', import.meta.url))})
      const { Secret } = await import(${JSON.stringify(new URL('../../src/core/secret.ts', import.meta.url))})
      const { systemClock: clock } = await import(${JSON.stringify(new URL('../../src/core/clock.ts', import.meta.url))})
      const host = { name: 'test', clock, log: console, fetch, secret: () => new Secret(${JSON.stringify(secretId)}), hasSecret: () => true }
      const config = vault.config.parse({ address: ${JSON.stringify(bench.standIn.url)}, method: 'approle', role: ${JSON.stringify(roleId)}, tokenRole: 'jit' })
      const credential = await vault.open(config, host).mint(${JSON.stringify(ask(webRead))}, AbortSignal.timeout(5000))
      console.log(credential)
    `
    const env = { ...process.env, DEBUG: '*' }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env })
    expect(stdout).toContain('[redacted]')
    expect(`${stdout}${stderr}`).not.toContain(secretId)
    expect(`${stdout}${stderr}`).not.toContain('role_id')
  })

  it('names namespace and policies to the server, and tells people what is asked', () => {
    const provider = bench.open({ namespace: 'team-a' })
    expect(provider.environment?.('x')).toEqual({ VAULT_NAMESPACE: 'team-a' })
    expect(bench.open().environment?.('x')).toEqual({})
    expect([provider.requestHeaders, bench.open().requestHeaders]).toEqual([
      { 'x-vault-namespace': 'team-a' },
      { 'x-vault-namespace': null },
    ])
    expect(provider.asks?.({ ...webRead, uses: 3 })).toEqual({ token: { policies: ['mcp-read-web'], renewable: false, num_uses: 3 } })
    expect(provider.asks?.({ dynamic: 'database/creds/readonly' })).toEqual({ read: 'database/creds/readonly' })
    expect(provider.origin).toBe(bench.standIn.url)
    expect(provider.describe(webPath)).toBe('read web/data/app/db')
    expect(provider.partition({ policies: ['b', 'a'] })).toBe(provider.partition({ policies: ['a', 'b'], uses: 2 }))
    expect(provider.partition(webPath)).toBe('read web/data/app/db')
    expect(provider.partition({ dynamic: 'database/creds/readonly' })).toBe('database/creds/readonly')
    expect(provider.partition(webPath)).not.toBe(provider.partition({ paths: [{ path: 'web/data/app/other', capabilities: ['read'] }] }))
  })
})
