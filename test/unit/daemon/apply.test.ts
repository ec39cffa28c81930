import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { settle } from '../../support/fake-clock.ts'
import { ask, patient } from '../broker/support.ts'
import { openParts, type Parts } from './parts.ts'

const tool = `tools: { read: { scope: { repository: "acme/web" }, requests: ["GET /x"] } }`
const server = (name: string, provider: string, more = ''): string =>
  `  ${name}: { run: [node, x.js], provider: ${provider}, inject: { mode: egress, env: TOKEN }, allow: [read], ${tool}${more} }\n`
const config = (a = 'a', more = '', tail = ''): string =>
  `version: 1\nproviders:\n  one: { kind: fake, account: ${a} }\n  two: { kind: fake, account: b }\nservers:\n${server('first', 'one', more)}${server('second', 'two')}${tail}`

/** Two providers with a key each, a server behind each, and a live lease of each. */
async function running(): Promise<{ parts: Parts; apply(text: string): Promise<unknown> }> {
  const parts = await openParts({ config: config() })
  for (const name of ['one', 'two']) {
    const account = name === 'one' ? 'a' : 'b'
    const body = { kind: 'fake', name, config: { account }, secrets: { key: `key of ${name}` }, replace: true }
    expect((await parts.ask('POST', '/v1/providers', body)).status).toBe(200)
  }
  const before = parts.configText()
  for (const [server, provider] of [
    ['first', 'one'],
    ['second', 'two'],
  ] as const)
    await parts.daemon.broker.acquire(ask({ provider }, { server }), patient)
  parts.stopped.length = 0
  parts.upstream.revocations = 0
  return {
    parts,
    async apply(text) {
      parts.writeConfig(text === '' ? before : text)
      const { body } = await parts.ask('POST', '/v1/config/apply', {})
      await settle()
      return body
    },
  }
}

const live = (parts: Parts): string[] =>
  parts.daemon.broker
    .leases()
    .filter((lease) => lease.state === 'live')
    .map((lease) => lease.provider)

describe('a config that is applied', () => {
  it('leaves servers, leases, providers and the network alone that it does not change', async () => {
    const { parts, apply } = await running()
    const open = parts.open()
    const network = parts.network()
    const provider = parts.daemon.registry.get('one')
    expect(await apply(`${config()}# a comment\n`)).toMatchObject({ applied: true })
    expect(parts.stopped).toEqual([])
    expect(live(parts)).toEqual(['one', 'two'])
    expect(parts.open()).toEqual(open)
    expect(parts.network()).toBe(network)
    expect(parts.daemon.registry.get('one')).toBe(provider)
  })

  it('ends the lanes of a server that changed, and no others', async () => {
    const { parts, apply } = await running()
    expect(await apply(config('a', ', lanes: 2'))).toMatchObject({ applied: true })
    expect(parts.stopped).toEqual([['first', 'policy.changed']])
    expect(live(parts)).toEqual(['one', 'two'])
  })

  it('revokes what a changed provider minted, with the identity that minted it, and closes that', async () => {
    const { parts, apply } = await running()
    expect(await apply(config('other'))).toMatchObject({ applied: true })
    expect(parts.stopped).toEqual([['first', 'policy.changed']])
    expect(live(parts)).toEqual(['two'])
    expect(parts.upstream.alive()).toHaveLength(1)
    expect(parts.open()).toEqual(['one', 'two'])
    expect(parts.events.ofType('lease.ended')).toMatchObject([
      { lease: { provider: 'one' }, detail: { outcome: 'revoked', verified: true } },
    ])
  })

  it('keeps the old identity in memory while its revocation is not through, and forgets it then', async () => {
    const { parts, apply } = await running()
    parts.upstream.revokeScripts.push({ error: () => new JitError('provider.unavailable', 'down') })
    await apply(config('other'))
    expect(parts.open()).toEqual(['one', 'one', 'two'])
    await parts.clock.advance(16 * 60_000)
    expect(parts.upstream.alive().map((token) => token.lease)).toHaveLength(0)
    expect(parts.open()).toEqual(['one', 'two'])
  })

  it('ends a server that is gone with its leases', async () => {
    const { parts, apply } = await running()
    const without = config().replace(server('first', 'one'), '')
    expect(await apply(without)).toMatchObject({ applied: true })
    expect(parts.stopped).toEqual([['first', 'not-found']])
    expect(live(parts)).toEqual(['two'])
  })

  it('makes a new network, and only then ends the old one', async () => {
    const { parts, apply } = await running()
    const before = parts.network()
    expect(await apply(config('a', '', 'network: { hosts: { api.example.test: nowhere } }\n'))).toMatchObject({
      applied: false,
      problems: [{ path: 'network.hosts', line: 8 }],
    })
    expect(parts.network()).toBe(before)
    expect(await apply(config('a', '', 'network: { hosts: { api.example.test: 127.0.0.1 } }\n'))).toMatchObject({ applied: true })
    expect(parts.network()).not.toBe(before)
    expect(live(parts)).toEqual(['one', 'two'])
  })

  it('is recorded with a hundred of its changes, those that widen first, and the count of the others', async () => {
    const { parts, apply } = await running()
    const resources = Array.from({ length: 300 }, (_, index) => `"a:${index}"`).join(', ')
    expect(await apply(config('a', `, resources: [${resources}]`))).toMatchObject({ applied: true })
    const digest = parts.daemon.configuration.current.loaded.digest
    const detail = (): object => Reflect.get(parts.events.events.findLast(({ type }) => type === 'config.applied') ?? {}, 'detail')
    expect(detail()).toMatchObject({ digest, changesLeftOut: 200 })
    expect(Reflect.get(detail(), 'changes')).toHaveLength(100)
    expect(await apply(config('a', ', prompts: [one]'))).toMatchObject({ applied: true })
    expect(detail()).toMatchObject({ changesLeftOut: 201 })
    expect(Reflect.get(detail(), 'changes')[0]).toMatchObject({ path: 'servers.first.prompts', effect: 'wider' })
  })

  it('changes nothing when it is broken, when the disk is full and when the trail is', async () => {
    const { parts, apply } = await running()
    const open = parts.open()
    expect(await apply(config('a', ', alow: [x]'))).toMatchObject({ applied: false })
    parts.failStore((operation) => operation === 'commit')
    expect(await apply(config('other'))).toMatchObject({ error: { code: 'store.unavailable' } })
    parts.failStore(() => false)
    expect(parts.events.events.at(-1)).toMatchObject({ type: 'config.applied', detail: { undone: expect.stringContaining('commit') } })
    parts.events.fail((event) => event.type === 'config.applied')
    expect(await apply(config('other'))).toMatchObject({ error: { code: 'audit.unwritable' } })
    parts.events.heal()
    expect(parts.stopped).toEqual([])
    expect(live(parts)).toEqual(['one', 'two'])
    expect(parts.open()).toEqual(open)
    expect(await apply(config('other'))).toMatchObject({ applied: true })
    expect(live(parts)).toEqual(['two'])
  })

  it('is refused when the file is not the one that was shown', async () => {
    const { parts } = await running()
    parts.writeConfig(config('other'))
    expect(await parts.ask('POST', '/v1/config/apply', { digest: 'x' })).toMatchObject({
      status: 409,
      body: { error: { code: 'conflict' } },
    })
    expect(parts.open()).toEqual(['one', 'two'])
  })
})

describe('a revocation of many', () => {
  it('is recorded with a hundred receipts and the count of the others; its answer has all', async () => {
    const { parts } = await running()
    for (let more = 0; more < 110; more += 1)
      await parts.daemon.broker.acquire(ask({ provider: 'one' }, { session: `session_${more + 2}` }), patient)
    const { body } = await parts.ask('POST', '/v1/revoke', { all: true })
    expect(Reflect.get(Object(body), 'receipts')).toHaveLength(112)
    const asked = parts.events.events.findLast(({ type }) => type === 'revoke.asked')
    expect(asked).toMatchObject({ detail: { receiptsLeftOut: 12 } })
    expect(Reflect.get(Reflect.get(Object(asked), 'detail'), 'receipts')).toHaveLength(100)
  })
})
