import { createEmulator } from 'emulate'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { acmeFixture } from './fake/fixture.ts'
import { startGithub } from './fake/github.ts'
import { pem, privateKey, publicKeyPem } from './fake/registration.ts'

/** The stand-in beside a GitHub that somebody else wrote, where the two overlap. */
describe('the stand-in and npm’s emulate', () => {
  it('agree on what a mint answers and refuses', async () => {
    const fixture = acmeFixture({ publicKeyPem })
    const mine = await startGithub(fixture)
    const theirs = await createEmulator({
      service: 'github',
      port: 0,
      seed: {
        github: {
          orgs: [{ login: 'acme' }],
          users: [{ login: 'acme-owner' }],
          repos: [
            { owner: 'acme', name: 'web' },
            { owner: 'acme', name: 'secret', private: true },
          ],
          apps: [
            {
              app_id: 4242,
              slug: 'acme-agents',
              name: 'Agents',
              private_key: pem,
              permissions: { issues: 'write', metadata: 'read' },
              installations: [{ installation_id: 9001, account: 'acme', repository_selection: 'all' }],
            },
          ],
        },
      },
    })
    try {
      for (const base of [mine.url, theirs.url]) {
        const jwt = await new SignJWT()
          .setProtectedHeader({ alg: 'RS256' })
          .setIssuer('4242')
          .setIssuedAt(Math.floor(systemClock.now() / 1000) - 60)
          .setExpirationTime('5m')
          .sign(privateKey)
        const post = (body: object): Promise<Response> =>
          fetch(`${base}/app/installations/9001/access_tokens`, {
            method: 'POST',
            headers: { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' },
            body: JSON.stringify(body),
          })
        const minted = await post({ repositories: ['web'], permissions: { issues: 'read' } })
        expect(minted.status, base).toBe(201)
        const { token, permissions } = (await minted.json()) as { token: string; permissions: Record<string, string> }
        expect(permissions['issues']).toBe('read')
        const ask = async (path: string): Promise<number> =>
          (await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
        expect(await ask('/repos/acme/web/issues')).toBe(200)
        expect([403, 404]).toContain(await ask('/repos/acme/secret/issues'))
        expect((await post({ repositories: ['web'], permissions: { administration: 'write' } })).status).toBe(422)
        expect((await post({ repositories: ['nothing'], permissions: { issues: 'read' } })).status).toBe(422)
        expect((await fetch(`${base}/app`, { headers: { authorization: 'Bearer nonsense' } })).status).toBe(401)
      }
    } finally {
      await mine.close()
      await theirs.close()
    }
  })
})
