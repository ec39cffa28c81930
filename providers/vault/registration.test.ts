import { describe, expect, it } from 'vitest'
import { vault } from './index.ts'
import { patience, shareBench } from './fake/bench.ts'

const bench = shareBench()

describe('a registration', () => {
  it.each([
    [{ address: 'https://vault.test/path' }, 'address'],
    [{ address: 'ftp://vault.test' }, 'address'],
    [{ address: 'https://me:secret@vault.test' }, 'address'],
    [{ address: 'https://vault.test', method: 'approle' }, 'role'],
    [{ address: 'https://vault.test', method: 'userpass' }, 'username'],
    [{ address: 'https://vault.test', method: 'ldap' }, 'method'],
    [{ address: 'https://vault.test', mount: '../sys' }, 'mount'],
    [{ address: 'https://vault.test', tokenRole: 'a/b' }, 'tokenRole'],
    [{ address: 'https://vault.test', maxTtl: '1 hour' }, 'maxTtl'],
    [{ address: 'https://vault.test', jwtFile: 'token' }, 'jwtFile'],
    [{ address: 'https://vault.test', skipVerify: true }, ''],
  ])('of %j is refused', (config, field) => {
    const parsed = vault.config.safeParse(config)
    expect(parsed.error?.issues.map((issue) => issue.path.join('.'))).toEqual([field])
  })

  it('is proved by a token that can do nothing, and leaves none', async () => {
    await expect(bench.open().prove(patience())).resolves.toMatchObject({
      version: '1.21.0',
      policies: expect.arrayContaining(['broker']),
      tokenRole: 'jit',
      proof: 'made a token and revoked it',
    })
    expect(bench.asked('auth/token/create/jit')).toMatchObject({ policies: ['default'], num_uses: 1, ttl: '15s' })
  })

  it('whose token role takes no default policy says that nothing was made', async () => {
    await bench.start({ tokenRoles: { jit: { allowedGlob: ['mcp-*'], noDefaultPolicy: true } } })
    await expect(bench.open().prove(patience())).resolves.toMatchObject({ proof: expect.stringContaining('no token was made') })
  })

  it('with a role of batch tokens is refused', async () => {
    await bench.start({ tokenRoles: { jit: { allowedGlob: ['mcp-*'], type: 'batch' } } })
    await expect(bench.open().prove(patience())).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('token_type=service'),
    })
  })

  it('with an unknown token role is refused', async () => {
    await bench.start({ tokenRoles: {} })
    await expect(bench.open().prove(patience())).rejects.toMatchObject({
      code: 'provider.refused',
      message: expect.stringContaining('unknown role'),
    })
  })
})
