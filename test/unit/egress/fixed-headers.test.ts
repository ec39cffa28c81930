import { describe, expect, it } from 'vitest'
import type { RequestRule } from '../../../src/core/types.ts'
import { ask, type Bench, call, lease, placeholder, rule, shareBench } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const read = rule('GET /v1/secret/data/app')
const named = rule('GET /v1/secret/data/app', { headers: { 'x-vault-namespace': 'team-a/sub' } })

async function arrives(by: RequestRule, fixed: string | null | undefined, sent: Record<string, string>): Promise<unknown> {
  const lane = await bench.lane()
  const requestHeaders = fixed === undefined ? {} : { requestHeaders: { 'x-vault-namespace': fixed } }
  lane.begin(call([by], { lease: { ...lease(), ...requestHeaders } }))
  const { status } = await ask(lane, { path: '/v1/secret/data/app', headers: { 'x-vault-token': placeholder, ...sent } })
  lane.close()
  if (status !== 200) return status
  const { headers } = bench.upstream.journal[0] ?? {}
  return Object.entries(headers ?? {}).flatMap(([name, value]) => (/namespace/i.test(name) ? [`${name}: ${String(value)}`] : []))
}

describe('a header that the provider decides', () => {
  it.each<[string, RequestRule, string | null | undefined, Record<string, string>, unknown]>([
    ['is sent where the client says nothing', read, 'team-a', {}, ['x-vault-namespace: team-a']],
    ['is sent in the place of the client’s', read, 'team-a', { 'X-Vault-Namespace': 'admin' }, ['x-vault-namespace: team-a']],
    ['leaves no other spelling', read, 'team-a', { x_vault_namespace: 'admin' }, ['x-vault-namespace: team-a']],
    ['is none, whatever the client says', read, null, { 'x-vault-namespace': 'admin' }, []],
    ['is the client’s where no provider decides it', read, undefined, { 'x-vault-namespace': 'a' }, ['x-vault-namespace: a']],
    ['is the rule’s, if that names it', named, 'team-a', { 'x-vault-namespace': 'team-a/sub' }, ['x-vault-namespace: team-a/sub']],
    ['and nobody else’s then', named, 'team-a', { 'x-vault-namespace': 'team-a' }, 403],
    ['nor left out then', named, 'team-a', {}, 403],
  ])('%s', async (_, by, fixed, sent, expected) => {
    expect(await arrives(by, fixed, sent)).toEqual(expected)
  })
})
