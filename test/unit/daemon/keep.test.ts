import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Secret } from '../../../src/core/secret.ts'
import { Registry } from '../../../src/daemon/registry.ts'
import type { ProviderHost, ProviderPlugin } from '../../../src/provider/contract.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeUpstream } from '../broker/support.ts'
import { silent } from './parts.ts'

const clock = new FakeClock()

/** A registry whose store is a map, and the hosts that its providers were opened with. */
function setUp(): { registry: Registry; stored: Map<string, string>; hosts: ProviderHost[]; closing: (() => void)[] } {
  const stored = new Map<string, string>()
  const hosts: ProviderHost[] = []
  const closing: (() => void)[] = []
  const plugin: ProviderPlugin = {
    kind: 'fake',
    summary: '',
    config: z.looseObject({}),
    scope: z.record(z.string(), z.json()),
    revocation: 'immediate',
    login: [],
    placeholder: (random) => random,
    checkField: () => undefined,
    open(_, host) {
      hosts.push(host)
      return { ...new FakeUpstream(clock).provider(), close: () => new Promise((settle) => closing.push(settle)) }
    },
  }
  const registry = new Registry({
    plugins: [plugin],
    clock,
    log: silent,
    fetch: () => fetch,
    isSealed: () => false,
    principalToken: async () => '',
    seal: async (provider, field, secret) => () =>
      void stored.set(
        `${provider}/${field}`,
        secret.seal((text) => text),
      ),
  })
  return { registry, stored, hosts, closing }
}

const textOf = (host: ProviderHost | undefined): string | undefined => host?.secret('session').seal((text) => text)
const fresh = (text: string): { provider: string; secrets: Map<string, Secret> } => ({
  provider: 'acme',
  secrets: new Map([['session', new Secret(text)]]),
})

describe('a secret that its provider renewed', () => {
  it('is stored, and is what every opening of the registration has', async () => {
    const { registry, stored, hosts } = setUp()
    registry.prepare({ acme: { kind: 'fake' } }, fresh('one')).enter()
    // The config changed: opened anew, while the old one still ends what it has.
    registry.prepare({ acme: { kind: 'fake', note: 'x' } }).enter()
    await hosts[0]?.keep('session', new Secret('two'))
    expect(stored.get('acme/session')).toBe('two')
    expect(hosts.map(textOf)).toEqual(['two', 'two'])
    await hosts[1]?.keep('session', new Secret('three'))
    expect(stored.get('acme/session')).toBe('three')
  })

  it('of a registration that another took the place of is not stored', async () => {
    const { registry, stored, hosts } = setUp()
    registry.prepare({ acme: { kind: 'fake' } }, fresh('one')).enter()
    registry.prepare({ acme: { kind: 'fake' } }, fresh('other')).enter()
    await hosts[0]?.keep('session', new Secret('two'))
    expect(stored.get('acme/session')).toBeUndefined()
    expect(hosts.map(textOf)).toEqual(['two', 'other'])
  })

  it('of a login that is only being proved is not stored, and goes along with it', async () => {
    const { registry, stored } = setUp()
    const opened = registry.open('acme', { kind: 'fake' }, fresh('one').secrets)
    await registry.hostOf('acme', opened.box).keep('session', new Secret('two'))
    expect(stored.size).toBe(0)
    expect(opened.box.secrets?.get('session')?.seal((text) => text)).toBe('two')
  })

  it('is still stored while its provider is closing, and forgotten after that', async () => {
    const { registry, stored, hosts, closing } = setUp()
    registry.prepare({ acme: { kind: 'fake' } }, fresh('one')).enter()
    const [retired] = registry.prepare({ acme: { kind: 'fake', note: 'x' } }).enter()
    if (retired === undefined) throw new Error('nothing was replaced')
    registry.close(retired)
    await hosts[0]?.keep('session', new Secret('two'))
    expect(stored.get('acme/session')).toBe('two')
    for (const settle of closing) settle()
    await expect.poll(() => retired.box.secrets).toBeUndefined()
    expect(textOf(hosts[1])).toBe('two')
  })

  it('is in no memory once the store was sealed', async () => {
    const { registry, hosts } = setUp()
    registry.prepare({ acme: { kind: 'fake' } }, fresh('one')).enter()
    await hosts[0]?.keep('session', new Secret('two'))
    registry.dropSecrets()
    expect(() => hosts[0]?.secret('session')).toThrow()
    await expect(hosts[0]?.keep('session', new Secret('three'))).rejects.toThrow()
  })
})
