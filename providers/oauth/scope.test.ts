import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/provider/index.ts'
import { oauth } from './index.ts'
import { shareBench } from './fake/registration.ts'

const bench = shareBench()

describe('scopes', () => {
  const detail = { type: 'repository', identifier: 'facebook/react', actions: ['read', 'list'], issue: 42, only: ['a', 'b'] }
  const granted = (one: JsonObject): JsonObject => ({ scopes: [], resource: [], audience: [], authorization_details: [one] })
  it.each<[string, JsonObject, boolean]>([
    ['the same', { ...detail }, true],
    ['fewer actions', { ...detail, actions: ['read'] }, true],
    ['no action', { ...detail, actions: [] }, false],
    ['an action more', { ...detail, actions: ['read', 'list', 'write'] }, false],
    ['another identifier', { ...detail, identifier: 'facebook/secret' }, false],
    ['another number', { ...detail, issue: 43 }, false],
    ['a number as text', { ...detail, issue: '42' }, false],
    ['a limit less', { type: 'repository', identifier: 'facebook/react', actions: ['read', 'list'], issue: 42 }, false],
    ['a field more', { ...detail, privileges: ['admin'] }, false],
    ['fewer of what may be a limit', { ...detail, only: ['a'] }, false],
  ])('a granted detail with %s: covered %s', (_, one, covered) => {
    expect(bench.fresh().covers(granted(one), { authorization_details: [detail] })).toBe(covered)
  })

  it.each([
    ['scopes.0', 'react', true],
    ['scopes.0', 'a:admin', false],
    ['scopes.0', 'a b', false],
    ['resource.0', 'evil.com:443', false],
    ['resource.0', 'x@evil.com', false],
    ['resource.0', 'a#b', false],
    ['audience.0', 'a/b', false],
    ['authorization_details.0.identifier', 'facebook/react', true],
    ['authorization_details.0.type', 'repository', false],
    ['authorization_details.0.title', 'x'.repeat(513), false],
    ['authorization_details.0.title', 'größe 日本', true],
    ['authorization_details.0.title', 'find\u200bme', false],
    ['authorization_details.0.title', '\u{e0041}', false],
  ])('a call may give %s the value %j: %s', (path, value, good) => {
    expect(oauth.checkField(path, value) === undefined).toBe(good)
  })

  it('two things may not share a child process, two actions on one may', () => {
    const scope = (identifier: string, action: string): JsonObject => ({
      authorization_details: [{ type: 'repository', identifier, actions: [action] }],
    })
    const { partition } = bench.fresh()
    expect(partition(scope('facebook/react', 'read'))).toBe(partition(scope('facebook/react', 'write')))
    expect(partition(scope('facebook/react', 'read'))).not.toBe(partition(scope('facebook/jest', 'read')))
    expect(partition({ scopes: ['a'] })).not.toBe(partition({ scopes: ['b'] }))
    expect(partition(scope('facebook/react', 'read'))).toBe('repository(identifier=facebook/react)')
    expect(partition({ resource: ['https://api.example.com/'], audience: ['api'] })).toBe('resource=https://api.example.com/ audience=api')
  })

  it('no two things look alike to a lane, however they are spelt', () => {
    const { partition } = bench.fresh()
    const detail = (more: JsonObject): JsonObject => ({ authorization_details: [{ type: 'issue', ...more }] })
    const all = [
      detail({ number: 42 }),
      detail({ number: '42' }),
      detail({ open: true }),
      detail({ open: 'true' }),
      detail({ a: 'b, c=d' }),
      detail({ a: 'b', c: 'd' }),
      detail({ a: '"b"' }),
      detail({ a: ['b'] }),
      detail({ a: '["b"]' }),
      detail({ a: 'b) audience=x' }),
      { ...detail({ a: 'b' }), audience: ['x'] },
      { authorization_details: [{ type: 'issue(a=b)' }] },
      detail({ a: 'b' }),
      { authorization_details: [{ type: 'issue', a: 'b' }, { type: 'issue' }] },
      { scopes: ['audience=x'] },
      { audience: ['x'] },
      { resource: ['https://x'] },
      { audience: ['https://x'] },
      { scopes: ['a', 'b'] },
      { scopes: ['a'] },
    ]
    expect(new Set(all.map(partition)).size).toBe(all.length)
  })
})
