import { describe, expect, it } from 'vitest'
import { makeOperation } from '../../../src/policy/operation.ts'
import { ask, patient } from '../broker/support.ts'
import { openParts, type Parts, temporaryHome } from './parts.ts'

const registration = { kind: 'fake', name: 'acme', config: { account: 'acme' }, secrets: { key: 'the key' } }

/** A daemon that registered a provider and minted, and whose config in force another version does not understand. */
async function after(spoil: (text: string) => string): Promise<{ parts: Parts; lease: string }> {
  const home = temporaryHome()
  const first = await openParts({ home, config: 'version: 1\n' })
  expect((await first.ask('POST', '/v1/providers', registration)).status).toBe(200)
  const lease = await first.daemon.broker.acquire(ask({ provider: 'acme' }), patient)
  await first.clock.advance(300)
  first.daemon.store.meta.set('config.applied', spoil(first.configText()))
  first.daemon.store.close()
  const parts = await openParts({ home })
  await parts.daemon.broker.recover()
  return { parts, lease: lease.id }
}

describe('a config in force that cannot be used any more', () => {
  it('still revokes what is out, by the providers that stand in it', async () => {
    const { parts, lease } = await after((text) => `${text}servers: { one: { run: [node, x.js], allowed: [y] } }\n`)
    expect(parts.daemon.configuration.broken?.message).toContain('allowed')
    // Which is not said to go on.
    expect((await parts.ask('POST', '/v1/config/check', {})).body).toMatchObject({ broken: true })
    expect((await parts.ask('POST', '/v1/revoke', { lease })).body).toMatchObject({
      receipts: [{ lease, outcome: 'revoked', verified: true }],
    })
    expect(parts.upstream.revocations).toBe(1)
  })

  it('reaches no upstream when its network is what is wrong: a credential does not travel another way', async () => {
    const { parts } = await after((text) => `${text}network: { hosts: { api.example.test: nowhere } }\n`)
    await expect(parts.network().fetch('https://api.example.test/')).rejects.toMatchObject({ code: 'config.invalid' })
    const { parts: unreadable } = await after((text) => `${text}\n{`)
    await expect(unreadable.network().fetch('https://api.example.test/')).rejects.toMatchObject({ code: 'config.invalid' })
  })

  it('denies every call with the reason, and takes no edit until a good one is applied', async () => {
    const { parts } = await after((text) => `${text}servrs: {}\n`)
    const { policy } = parts.daemon.configuration.current
    const operation = makeOperation({ server: 'one', kind: 'tool', name: 'x', args: {}, definition: '' })
    expect(policy.decide(operation)).toMatchObject({ effect: 'deny', code: 'config.invalid', reason: expect.stringContaining('servrs') })
    expect(policy.broken).toMatchObject({ code: 'config.invalid' })
    expect(parts.daemon.configuration.pending).toBe(true)
    expect((await parts.ask('DELETE', '/v1/providers/acme')).body).toMatchObject({ error: { code: 'config.not-applied' } })
    expect((await parts.ask('POST', '/v1/config/apply', {})).body).toMatchObject({ applied: true })
    expect(parts.daemon.configuration.broken).toBeUndefined()
    expect((await parts.ask('DELETE', '/v1/providers/acme')).status).toBe(200)
  })
})
