import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { vault } from '../../providers/vault/index.ts'
import type { MintRequest, Provider } from '../../src/provider/index.ts'
import { testHost } from '../support/provider-host.ts'
import { findProgram, type Running, startProgram } from './programs.ts'

const program = findProgram('openbao')
const root = 'root-token-of-the-test'
const policy = z.object({ data: z.object({ expiration: z.string(), policy: z.string() }) })
const principal = { human: 'ada', agent: 'test', session: 's', server: 'secrets', tool: 'read_secret' }
const scope = { paths: [{ path: ['secret', 'data', 'app'], capabilities: ['read'] }] }
const ask: MintRequest = { lease: 'lease_real', scope, ttl: 60_000, principal }
const patience = (): AbortSignal => AbortSignal.timeout(10_000)

describe.skipIf(program === undefined)('OpenBao', () => {
  let bao: Running
  let provider: Provider
  let address: string
  const send = (token: string, path: string, method = 'GET', body?: object): Promise<Response> =>
    fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  beforeAll(async () => {
    const port = await freePort()
    address = `http://127.0.0.1:${port}`
    bao = startProgram(program ?? '', [
      'server',
      '-dev',
      '-dev-no-store-token',
      `-dev-root-token-id=${root}`,
      `-dev-listen-address=127.0.0.1:${port}`,
    ])
    await bao.says(/Development mode should NOT be used/)
    const role = { allowed_policies_glob: 'jit-lease_*,default', token_type: 'service', renewable: false }
    expect((await send(root, 'auth/token/roles/jit', 'POST', role)).ok).toBe(true)
    for (const name of ['app', 'other']) expect((await send(root, `secret/data/${name}`, 'POST', { data: { key: name } })).ok).toBe(true)
    provider = vault.open(vault.config.parse({ address, tokenRole: 'jit', ephemeralPolicies: true }), testHost({ token: root }))
  })
  afterAll(() => bao.stop())

  it('proves a registration', async () => {
    await expect(provider.prove(patience())).resolves.toMatchObject({ version: '2.7.2', proof: 'made a token and revoked it' })
  })

  it('keeps the policy of one lease to its path, ends it by itself a minute after its token, and forgets both with the lease', async () => {
    const credential = await provider.mint(ask, patience())
    expect(provider.covers(credential.granted, scope)).toBe(true)
    const token = credential.secrets['token']?.reveal() ?? ''
    expect([(await send(token, 'secret/data/app')).status, (await send(token, 'secret/data/other')).status]).toEqual([200, 403])
    const { data } = policy.parse(await (await send(root, 'sys/policies/acl/jit-lease_real')).json())
    expect(Math.abs(Date.parse(data.expiration) - credential.expiresAt - 60_000)).toBeLessThan(5000)
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual({ outcome: 'revoked', verified: true })
    expect([(await send(token, 'secret/data/app')).status, (await send(root, 'sys/policies/acl/jit-lease_real')).status]).toEqual([
      403, 404,
    ])
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const found = server.address()
      server.close(() => resolve(typeof found === 'object' && found !== null ? found.port : 0))
    })
  })
}
