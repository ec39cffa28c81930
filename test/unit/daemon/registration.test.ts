import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { openParts, type Parts, temporaryHome } from './parts.ts'

const asked = (key: string, more: object = {}): object => ({
  kind: 'fake',
  name: 'acme',
  config: { account: 'acme' },
  secrets: { key },
  ...more,
})
const refusal = (): Error => new JitError('provider.refused', 'the upstream said no')

/** All that a registration touches. */
async function state(parts: Parts): Promise<unknown> {
  const { body } = await parts.ask('GET', '/v1/providers')
  return {
    config: parts.configText(),
    applied: parts.daemon.store.meta.get('config.applied'),
    sealed: parts
      .sealedNames()
      .filter((name) => name.startsWith('provider/'))
      .map((name) => [name, parts.daemon.store.secrets.get(name)]),
    providers: body,
    open: parts.open(),
    pending: parts.daemon.configuration.pending,
  }
}

describe('a registration', () => {
  it('changes sealed secret, config and running provider together', async () => {
    const parts = await openParts({ config: 'version: 1\n' })
    expect(await parts.ask('POST', '/v1/providers', asked('one'))).toMatchObject({
      status: 200,
      body: { name: 'acme', secrets: ['key'], proof: { account: 'acme' } },
    })
    expect(parts.configText()).toContain('account: acme')
    expect(parts.sealedNames()).toContain('provider/acme/key')
    expect(parts.open()).toEqual(['acme'])
    expect(parts.daemon.configuration.pending).toBe(false)
    expect(parts.events.types()).toEqual(['config.applied', 'provider.registered'])
  })

  it.each([
    ['the proof fails', (parts: Parts) => void parts.refused.set('two', refusal)],
    ['the store takes no secret', (parts: Parts) => parts.failStore((operation) => operation === 'secrets')],
    ['the store takes no config', (parts: Parts) => parts.failStore((operation) => operation === 'meta')],
    ['the store does not commit', (parts: Parts) => parts.failStore((operation) => operation === 'commit')],
    ['the trail cannot be written', (parts: Parts) => parts.events.fail()],
    [
      'the trail takes the config and not the registration',
      (parts: Parts) => parts.events.fail((event) => event.type === 'provider.registered'),
    ],
    ['the store is sealed while it is proved', (parts: Parts) => parts.whileProving(() => parts.daemon.sealer.close())],
    ['the config file changes while it is proved', (parts: Parts) => parts.whileProving(() => parts.writeConfig('version: 1\nttl: 1m\n'))],
  ])('leaves nothing when %s', async (_, spoil) => {
    for (const known of [false, true]) {
      const parts = await openParts({ config: 'version: 1\n' })
      if (known) await parts.ask('POST', '/v1/providers', asked('one'))
      const before = await state(parts)
      const text = parts.configText()
      spoil(parts)
      const { status } = await parts.ask('POST', '/v1/providers', asked('two', { config: { account: 'other' }, replace: true }))
      expect(status).toBeGreaterThanOrEqual(400)
      parts.failStore(() => false)
      parts.events.heal()
      // What the person wrote meanwhile stays; everything else is as it was.
      if (parts.configText().includes('ttl')) parts.writeConfig(text)
      expect(await state(parts)).toEqual(before)
    }
  })

  it('of one name by two at once: the second hears that it exists', async () => {
    const parts = await openParts({ config: 'version: 1\n' })
    let first = true
    parts.whileProving(async () => {
      if (!first) return
      first = false
      expect((await parts.ask('POST', '/v1/providers', asked('inner'))).status).toBe(200)
    })
    expect((await parts.ask('POST', '/v1/providers', asked('outer'))).status).toBe(409)
    expect(parts.open()).toEqual(['acme'])
  })

  it('anew with fewer secrets leaves none of the old ones behind', async () => {
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/providers', asked('one', { secrets: { key: 'one', extra: 'old' } }))
    await parts.ask('POST', '/v1/providers', asked('two', { replace: true }))
    expect(parts.sealedNames()).toEqual(['provider/acme/key'])
    expect((await parts.ask('GET', '/v1/providers')).body).toMatchObject([{ secrets: ['key'] }])
  })

  it('refuses a secret that its kind does not know, and a name that is none', async () => {
    const parts = await openParts({ config: 'version: 1\n' })
    expect((await parts.ask('POST', '/v1/providers', asked('one', { secrets: { key: 'one', '../x': 'y' } }))).status).toBe(400)
    expect((await parts.ask('POST', '/v1/providers', asked('one', { name: '../x' }))).status).toBe(400)
    expect(parts.sealedNames()).toEqual([])
    expect(parts.open()).toEqual([])
  })

  it('holds after a restart', async () => {
    const home = temporaryHome()
    const first = await openParts({ home, config: 'version: 1\n' })
    await first.ask('POST', '/v1/providers', asked('one'))
    first.daemon.store.close()
    const second = await openParts({ home })
    expect((await second.ask('GET', '/v1/providers')).body).toMatchObject([{ name: 'acme', secrets: ['key'] }])
  })
})

describe('the end of a registration', () => {
  it('takes secret, config and running provider together', async () => {
    const parts = await openParts({ config: 'version: 1\n' })
    const before = await state(parts)
    await parts.ask('POST', '/v1/providers', asked('one'))
    expect((await parts.ask('DELETE', '/v1/providers/acme')).status).toBe(200)
    await parts.clock.advance(0)
    expect(await state(parts)).toMatchObject({ sealed: [], providers: [], open: [], pending: false })
    expect(before).toMatchObject({ providers: [] })
    expect(parts.events.types().at(-1)).toBe('provider.removed')
  })

  it.each([
    ['the store does not commit', (parts: Parts) => parts.failStore((operation) => operation === 'commit')],
    ['the trail cannot be written', (parts: Parts) => parts.events.fail()],
  ])('takes nothing when %s', async (_, spoil) => {
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/providers', asked('one'))
    const before = await state(parts)
    spoil(parts)
    expect((await parts.ask('DELETE', '/v1/providers/acme')).status).toBe(503)
    parts.failStore(() => false)
    parts.events.heal()
    expect(await state(parts)).toEqual(before)
  })
})
