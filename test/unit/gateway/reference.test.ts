import { describe, expect, it } from 'vitest'
import { refuseReference } from '../../../src/gateway/reference.ts'
import type { CompiledServer } from '../../../src/policy/types.ts'

const server: CompiledServer = {
  name: 's',
  digest: '',
  visible: () => true,
  resourceVisible: (uri) => uri === 'file:///open',
  promptVisible: (name) => name === 'open',
  startup: undefined,
  origins: new Set(),
  constrained: () => new Set(),
}

describe('a request that names what policy may hide', () => {
  it.each([
    ['a subscription to a visible resource', 'resources/subscribe', { uri: 'file:///open' }],
    ['a completion for a visible prompt', 'completion/complete', { ref: { type: 'ref/prompt', name: 'open' } }],
    ['a completion for a visible resource', 'completion/complete', { ref: { type: 'ref/resource', uri: 'file:///open' } }],
    ['anything else', 'logging/setLevel', { level: 'info' }],
  ])('passes: %s', (_, method, params) => {
    expect(refuseReference(1, method, params, server)).toBeUndefined()
  })

  it.each([
    ['a subscription to a hidden resource', 'resources/subscribe', { uri: 'file:///etc/passwd' }, -32602],
    ['a subscription to nothing', 'resources/subscribe', {}, -32602],
    ['a completion for a hidden prompt', 'completion/complete', { ref: { type: 'ref/prompt', name: 'secret' } }, -32602],
    ['a completion for a hidden resource', 'completion/complete', { ref: { type: 'ref/resource', uri: 'file:///x' } }, -32602],
    ['a completion for neither', 'completion/complete', {}, -32602],
    ['a task of an unknown tool', 'tasks/get', { taskId: 'x' }, -32601],
  ])('is refused: %s', (_, method, params, code) => {
    expect(refuseReference(7, method, params, server)).toMatchObject({ id: 7, error: { code } })
    expect(refuseReference(7, method, params, undefined)).toBeDefined()
  })
})
