import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { vault } from './index.ts'
import { shareBench } from './fake/bench.ts'

const bench = shareBench()

describe('a value of a call', () => {
  it.each([
    ['policies.0', 'web', true],
    ['policies.0', 'Web', false],
    ['policies.0', 'root', false],
    ['policies.0', 'a/b', false],
    ['dynamic', 'readonly', true],
    ['dynamic', 'creds/readonly', false],
    ['parameters.kubernetes_namespace', 'web', true],
    ['parameters.kubernetes_namespace', 'web,other', false],
    ['paths.0.path', 'app', true],
    ['paths.0.path', 'app/db', false],
    ['paths.0.path', 'sys', false],
    ['paths.0.path.0', 'Sys', false],
    ['paths.0.path.0', 'auth', false],
    ['paths.0.path.0', 'identity', false],
    ['paths.0.path.0', 'system', true],
    ['paths.0.path.2', 'sys', true],
    ['paths.0.path.0', 'web/data', false],
    ['paths.0.path.2', 'app/db', true],
    ['paths.0.path.2', 'app/../../sys', false],
    ['paths.0.path.2', 'app//db', false],
    ['paths.0.path.2', '/app', false],
    ['paths.0.path.2', 'app/', false],
    ['paths.0.path.2', 'app%2fdb', false],
    ['paths.0.path.2', '+', false],
    ['paths.0.path.2', 'app/*', false],
    ['paths.0.path.2', '{{identity.entity.id}}', false],
    ['paths.0.path.2', 'a"b', false],
    ['paths.0.path.2', 'app\ndb', false],
    ['paths.0.path.2', 'ａpp', false],
    ['paths.0.capabilities.0', 'read', false],
    ['uses', '1', false],
  ])('for %s of %j: %s', (path, value, good) => {
    expect(vault.checkField(path, value) === undefined).toBe(good)
  })

  it.each([
    ['token', true],
    ['username', true],
    ['service_account_token', true],
    ['accessor', false],
    ['leaseId', false],
    ['Password', false],
  ])('in the environment of a server may be ${%s}: %s', (part, good) => {
    expect(vault.checkPart?.(part) === undefined).toBe(good)
  })

  it('that passes makes a policy for exactly one path, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (value) => {
        if (vault.checkField('paths.0.path.2', value) !== undefined) return
        const path = `web/data/${value}`
        const scope = { paths: [{ path: ['web', 'data', value], capabilities: ['read'] }] }
        expect(vault.scope.safeParse(scope).success).toBe(true)
        expect(bench.open().asks?.(scope)).toMatchObject({ policy: { path: { [path]: { capabilities: ['read'] } } } })
        expect(new URL(`http://vault.test/v1/${path}`).pathname).toBe(`/v1/${path}`)
      }),
    )
  })
})
