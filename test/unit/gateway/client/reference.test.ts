import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../../src/core/json.ts'
import type { Message } from '../../../../src/gateway/protocol/jsonrpc.ts'
import { refuseReference } from '../../../../src/gateway/client/reference.ts'
import type { CompiledServer } from '../../../../src/policy/types.ts'

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
    expect(refuseReference(request(1, method, params), server, '2025-11-25')).toBeUndefined()
  })

  it.each([
    ['a subscription to a hidden resource', 'resources/subscribe', { uri: 'file:///etc/passwd' }, -32002],
    ['a subscription to nothing', 'resources/subscribe', {}, -32002],
    ['a completion for a hidden prompt', 'completion/complete', { ref: { type: 'ref/prompt', name: 'secret' } }, -32602],
    ['a completion for a hidden resource', 'completion/complete', { ref: { type: 'ref/resource', uri: 'file:///x' } }, -32002],
    ['a completion for neither', 'completion/complete', {}, -32602],
  ])('is refused: %s', (_, method, params, code) => {
    expect(refuseReference(request(7, method, params), server, '2025-11-25')).toMatchObject({ id: 7, error: { code } })
    const gone = method === 'resources/subscribe'
    expect(refuseReference(request(7, method, params), server, '2026-07-28')).toMatchObject({
      id: 7,
      error: { code: gone ? -32601 : -32602 },
    })
    expect(refuseReference(request(7, method, params), undefined, '')).toBeDefined()
  })

  it.each([
    ['resources/subscribe', { uri: 'file:///open' }],
    ['resources/unsubscribe', { uri: 'file:///open' }],
    ['tasks/list', {}],
    ['tasks/result', { taskId: 't1' }],
  ])('is told of %s that 2026-07-28 has it no more, and before that passes', (method, params) => {
    expect(refuseReference(request(7, method, params), server, '2026-07-28')).toMatchObject({ id: 7, error: { code: -32601 } })
    expect(refuseReference(request(7, method, params), server, '2025-11-25')).toBeUndefined()
  })
})

function request(id: number, method: string, params: JsonObject): Message & { readonly kind: 'request' } {
  return { kind: 'request', id, method, params, value: {} }
}
