import { describe, expect, it } from 'vitest'
import type { Lease } from '../../../src/broker/types.ts'
import { JitError } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { credentialHeader } from '../../../src/gateway/inject/header.ts'

const lease = (secrets: Readonly<Record<string, string>>): Lease => ({
  id: 'lease_1',
  provider: 'acme',
  scope: {},
  partition: '',
  secrets: Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, new Secret(value)])),
  fingerprint: '',
  upstreamHash: '',
  mintedAt: 0,
  expiresAt: 1,
  signal: new AbortController().signal,
  fresh: true,
})

describe('the header that carries a credential', () => {
  it.each([
    [{}, { token: 'abc' }, ['Authorization', 'Bearer abc']],
    [{ header: { name: 'X-Api-Key', value: '${token}' } }, { token: 'abc' }, ['X-Api-Key', 'abc']],
    [{ header: { name: 'X-Pair', value: '${user}:${password}' } }, { user: 'me', password: '$&' }, ['X-Pair', 'me:$&']],
  ])('of %j', (inject, secrets, expected) => {
    expect(credentialHeader(inject, lease(secrets))).toEqual(expected)
  })

  it.each([
    ['a part that is not there', {}, { username: 'me', password: 'canary' }, /has no part "token"/],
    ['a part of every object', { header: { name: 'X', value: '${constructor}' } }, { token: 'canary' }, /has no part "constructor"/],
    ['a line break', {}, { token: 'canary\r\nX: y' }, /characters that no header carries/],
    ['another alphabet', {}, { token: 'canäry' }, /characters that no header carries/],
  ])('is refused with %s, which is not shown', (_, inject, secrets, message) => {
    let thrown: unknown
    try {
      credentialHeader(inject, lease(secrets))
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(JitError)
    expect(String(thrown)).toMatch(message)
    expect(JSON.stringify(thrown)).not.toContain('can')
  })
})
