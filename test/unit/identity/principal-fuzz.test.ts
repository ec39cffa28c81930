import fc from 'fast-check'
import { base64url, calculateJwkThumbprint, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { type ActingPrincipal, signPrincipal } from '../../../src/identity/principal-token.ts'
import { cases } from '../../support/cases.ts'

const own = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
const other = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
const jwk = await exportJWK(own.publicKey)
const kid = await calculateJwkThumbprint(jwk)
/** As `principal-keys.json` has it. */
const keys = createLocalJWKSet({ keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] })
const audience = 'https://as.acme.dev'
const now = Date.parse('2026-11-21T10:00:00Z')

/** What an upstream that was given the public keys does; the payload, or undefined. */
async function read(token: string, at = now): Promise<unknown> {
  const expected = { algorithms: ['EdDSA'], typ: 'JWT', audience, issuer: `urn:jit:${kid}`, currentDate: new Date(at) }
  return jwtVerify(token, keys, expected).then(
    ({ payload }) => payload,
    () => undefined,
  )
}

const word = fc.oneof(
  fc.string({ maxLength: 30, unit: 'grapheme' }),
  fc.constantFrom(
    'ada',
    'human:ada',
    'server:github',
    '","act":{"sub":"agent:root"},"x":"',
    '__proto__',
    '\u0000',
    '{}',
    'a.b.c',
    '\ud800',
  ),
)
const principal: fc.Arbitrary<ActingPrincipal> = fc.record({ human: word, agent: word, session: word, server: word, tool: word })

it('whatever people, agents, servers and tools are called, the chain says each name at its own place', async () => {
  await fc.assert(
    fc.asyncProperty(principal, async (who) => {
      const token = await signPrincipal({ key: own.privateKey, kid }, who, audience, now)
      const { human, agent, session, server, tool } = JSON.parse(Buffer.from(JSON.stringify(who).toWellFormed()).toString())
      expect(await read(token)).toEqual({
        iss: `urn:jit:${kid}`,
        sub: `human:${human}`,
        aud: audience,
        iat: now / 1000,
        nbf: now / 1000,
        exp: now / 1000 + 300,
        act: { sub: `server:${server}`, tool, act: { sub: `agent:${agent}`, session } },
      })
    }),
    { numRuns: cases(100) },
  )
})

type Change = (parts: { header: Record<string, unknown>; payload: Record<string, unknown>; signature: string }) => void
const names = ['alg', 'typ', 'kid', 'crit', 'jwk', 'x5c', 'b64'] as const
const values = fc.constantFrom<unknown>(
  'none',
  'None',
  'HS256',
  'ES256',
  'Ed25519',
  'EdDSA ',
  '',
  null,
  ['EdDSA'],
  'at+jwt',
  'JWT ',
  kid.slice(1),
  '../../dev/null',
  jwk,
  false,
)
const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.constantFrom(...names), values).map(
    ([name, value]): Change =>
      ({ header }) =>
        void (header[name] = value),
  ),
  fc.constantFrom(...names.slice(0, 3)).map(
    (name): Change =>
      ({ header }) =>
        void delete header[name],
  ),
  fc
    .tuple(fc.constantFrom('iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'act', 'more'), fc.oneof(fc.string(), fc.integer(), fc.constant({})))
    .map(
      ([name, value]): Change =>
        ({ payload }) =>
          void (payload[name] = value),
    ),
  fc.constant<Change>(({ payload }) => void (payload['act'] = { sub: 'agent:root', act: payload['act'] })),
  fc.constant<Change>(({ payload }) => void (payload['exp'] = Number(payload['exp']) + 3600)),
  fc.constant<Change>((parts) => void (parts.signature = '')),
  fc.tuple(fc.nat(85), fc.constantFrom('A', 'Q', '-', '=', '.', ' ')).map(
    ([at, letter]): Change =>
      (parts) =>
        void (parts.signature = parts.signature.slice(0, at) + letter + parts.signature.slice(at + 1)),
  ),
)

function encode(part: unknown): string {
  return base64url.encode(JSON.stringify(part))
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}

it('a token of which anything was altered is worth nothing', async () => {
  const who = { human: 'ada', agent: 'claude-code', session: 'session_1', server: 'github', tool: 'get_issue' }
  const token = await signPrincipal({ key: own.privateKey, kid }, who, audience, now)
  const [header = '', payload = '', signature = ''] = token.split('.')
  let altered = 0
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 3 }), async (made) => {
      const parts = { header: decode(header), payload: decode(payload), signature }
      for (const change of made) change(parts)
      const forged = `${encode(parts.header)}.${encode(parts.payload)}.${parts.signature}`
      // The last letter of a signature has bits that nobody reads.
      const isSame = Buffer.from(parts.signature, 'base64url').equals(Buffer.from(signature, 'base64url'))
      if (isSame && forged.startsWith(`${header}.${payload}.`)) return
      altered += 1
      expect(await read(forged)).toBeUndefined()
    }),
    { numRuns: cases(200) },
  )
  expect(altered).toBeGreaterThan(0)
})

it('a token of another key, another time, another audience, or with a secret that is the public key, is worth nothing', async () => {
  const who = { human: 'ada', agent: 'a', session: 's', server: 'github', tool: 't' }
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: -10_000_000, max: 10_000_000 }), async (shift) => {
      const token = await signPrincipal({ key: own.privateKey, kid }, who, audience, now + shift)
      const seconds = Math.floor((now + shift) / 1000)
      const isIn = now / 1000 >= seconds && now / 1000 < seconds + 300
      expect((await read(token)) !== undefined).toBe(isIn)
      expect(await read(await signPrincipal({ key: own.privateKey, kid }, who, 'https://elsewhere.dev', now))).toBeUndefined()
      expect(await read(await signPrincipal({ key: other.privateKey, kid }, who, audience, now))).toBeUndefined()
    }),
    { numRuns: cases(30) },
  )
  const confused = await new SignJWT({ sub: 'human:root' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid })
    .setIssuer(`urn:jit:${kid}`)
    .setAudience(audience)
    .setExpirationTime(now / 1000 + 300)
    .sign(base64url.decode(jwk.x ?? ''))
  expect(await read(confused)).toBeUndefined()
})
