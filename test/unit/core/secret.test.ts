import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'

const canary = 'canary-7Jd0f93kdlsQ'

describe('Secret', () => {
  it.each([
    ['String', (secret: Secret) => String(secret)],
    ['a template', (secret: Secret) => `${secret}`],
    ['JSON', (secret: Secret) => JSON.stringify({ secret })],
    ['inspect', (secret: Secret) => inspect({ secret }, { showHidden: true, depth: 9 })],
    ['%o', (secret: Secret) => format('%o %O %j %s', secret, secret, secret, secret)],
    ['its own properties', (secret: Secret) => Object.entries(Object.getOwnPropertyDescriptors(secret)).join()],
    ['an error', (secret: Secret) => inspect(new Error('failed', { cause: secret }))],
  ])('does not show itself through %s', (_, show) => {
    expect(show(new Secret(canary))).not.toContain(canary)
  })

  it('has a fingerprint that depends on the key, and GitHub’s hash that does not', () => {
    const secret = new Secret(canary)
    expect(secret.fingerprint(Buffer.alloc(32, 1))).toMatch(/^fp_[0-9a-f]{16}$/)
    expect(secret.fingerprint(Buffer.alloc(32, 1))).not.toBe(secret.fingerprint(Buffer.alloc(32, 2)))
    expect(secret.sha256Base64()).toBe(new Secret(canary).sha256Base64())
  })
})
