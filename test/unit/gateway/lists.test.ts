import { describe, expect, it } from 'vitest'
import { filterList } from '../../../src/gateway/lists.ts'
import type { CompiledServer } from '../../../src/policy/types.ts'

const server: CompiledServer = {
  name: 'github',
  digest: '',
  visible: (tool) => tool === 'get_issue',
  resourceVisible: (uri) => uri.startsWith('file:///public/'),
  promptVisible: (name) => name === 'summary',
  startup: undefined,
  origins: new Set(),
  constrained: () => new Set(),
}

describe('filterList', () => {
  it.each([
    ['tools/list', 'tools', [{ name: 'get_issue' }, { name: 'delete_repository' }, { noName: true }], [{ name: 'get_issue' }]],
    ['prompts/list', 'prompts', [{ name: 'summary' }, { name: 'other' }], [{ name: 'summary' }]],
    ['resources/list', 'resources', [{ uri: 'file:///public/a' }, { uri: 'file:///etc/passwd' }], [{ uri: 'file:///public/a' }]],
    ['resources/templates/list', 'resourceTemplates', [{ uriTemplate: 'file:///{x}' }], []],
  ])('shows of %s what policy admits, and keeps the cursor', (method, field, items, shown) => {
    const answer = filterList(method, { id: 1, result: { [field]: items, nextCursor: 'more' } }, server, () => undefined)
    expect(answer).toEqual({ id: 1, result: { [field]: shown, nextCursor: 'more' } })
  })

  it('makes a shared cache entry private, since it was filtered for one agent', () => {
    const answer = filterList('tools/list', { result: { tools: [], cacheScope: 'public', ttlMs: 1000 } }, server, () => undefined)
    expect(answer).toEqual({ result: { tools: [], cacheScope: 'private', ttlMs: 1000 } })
  })

  it('tells each tool’s definition, which changes when its description does', () => {
    const seen: string[] = []
    for (const description of ['reads', 'reads', 'writes']) {
      filterList('tools/list', { result: { tools: [{ name: 'get_issue', description }] } }, server, (_, definition) =>
        seen.push(definition),
      )
    }
    expect(seen[0]).toBe(seen[1])
    expect(seen[2]).not.toBe(seen[1])
  })
})
