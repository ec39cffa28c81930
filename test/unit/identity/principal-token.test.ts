import { calculateJwkThumbprint, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { signPrincipal } from '../../../src/identity/principal-token.ts'

const principal = { human: 'ada', agent: 'claude-code', session: 'session_1', server: 'github', tool: 'get_issue' }
const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
const kid = await calculateJwkThumbprint(await exportJWK(publicKey))
const now = Date.parse('2026-11-21T10:00:00.900Z')

describe('signPrincipal', () => {
  it('says who acts for whom, to one audience, for five minutes', async () => {
    const token = await signPrincipal({ key: privateKey, kid }, principal, 'https://as.acme.dev', now)
    const { payload, protectedHeader } = await jwtVerify(token, publicKey, {
      audience: 'https://as.acme.dev',
      issuer: `urn:jit:${kid}`,
      currentDate: new Date(now),
    })
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'JWT', kid })
    expect(payload).toEqual({
      iss: `urn:jit:${kid}`,
      sub: 'human:ada',
      aud: 'https://as.acme.dev',
      iat: 1795255200,
      nbf: 1795255200,
      exp: 1795255500,
      act: { sub: 'server:github', tool: 'get_issue', act: { sub: 'agent:claude-code', session: 'session_1' } },
    })
  })

  it.each([
    ['another audience', { audience: 'https://elsewhere.dev', currentDate: new Date(now) }],
    ['a later time', { audience: 'https://as.acme.dev', currentDate: new Date(now + 301_000) }],
  ])('is worth nothing for %s', async (_, expected) => {
    const token = await signPrincipal({ key: privateKey, kid }, principal, 'https://as.acme.dev', now)
    await expect(jwtVerify(token, publicKey, expected)).rejects.toThrow()
  })
})
