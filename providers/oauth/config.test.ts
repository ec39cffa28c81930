import { describe, expect, it } from 'vitest'
import { oauthConfig } from './config.ts'

describe('config', () => {
  const base = { clientId: 'jit', origin: 'https://api.example.com', proof: 'issues:read', issuer: 'https://login.example.com' }
  it.each([
    ['the least', {}, true],
    ['a client id that looks like a number', { clientId: 4242 }, true],
    ['a proof as JSON', { proof: '{"audience":["https://api.example.com"]}' }, true],
    ['a proof that is none', { proof: '{"audience":[]}' }, false],
    ['what a command line says of actor', { grant: 'token-exchange', actor: 'true' }, true],
    ['HTTP to this machine', { issuer: 'http://127.0.0.1:4000' }, true],
    ['HTTP to elsewhere', { issuer: 'http://login.example.com' }, false],
    ['HTTP to a name that looks like this machine', { issuer: 'http://127.0.0.1.example.com' }, false],
    ['an issuer with a query', { issuer: 'https://login.example.com?x' }, false],
    ['an issuer with a password', { issuer: 'https://a:b@login.example.com' }, false],
    ['both an issuer and an endpoint', { tokenEndpoint: 'https://login.example.com/token' }, false],
    ['neither', { issuer: undefined }, false],
    ['an issuer and a revocation endpoint', { revocationEndpoint: 'https://login.example.com/revoke' }, false],
    ['an actor without an exchange', { actor: true }, false],
    ['a key id without a key', { keyId: 'a' }, false],
    ['an unknown field', { secret: 'x' }, false],
  ])('%s: valid %s', (_, more, good) => {
    expect(oauthConfig.safeParse({ ...base, ...more }).success).toBe(good)
  })
})
