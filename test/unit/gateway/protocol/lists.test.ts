import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { JsonObject } from '../../../../src/core/json.ts'
import { filterList, type ListOptions } from '../../../../src/gateway/protocol/lists.ts'
import type { CompiledServer } from '../../../../src/policy/types.ts'

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
    const answer = filterList(method, { jsonrpc: '2.0', id: 1, result: { [field]: items, nextCursor: 'more' } }, server, options())
    expect(answer).toEqual({ jsonrpc: '2.0', id: 1, result: { [field]: shown, nextCursor: 'more' } })
  })

  it.each<[string, JsonObject, JsonObject]>([
    ['private, since it was filtered for one agent', { cacheScope: 'public', ttlMs: 1000 }, { cacheScope: 'private', ttlMs: 1000 }],
    ['private where only its time is said', { ttlMs: 1000 }, { cacheScope: 'private', ttlMs: 1000 }],
    ['fresh for no longer than anything is granted', { cacheScope: 'public', ttlMs: 3_600_000 }, { cacheScope: 'private', ttlMs: 60_000 }],
    ['stale where its time is none', { cacheScope: 'public', ttlMs: -1 }, { cacheScope: 'private', ttlMs: 0 }],
    ['what it was where it has no hint', {}, {}],
  ])('makes a list that may be cached %s', (_, hints, shown) => {
    const answer = filterList('tools/list', page({ tools: [], ...hints }), server, options())
    expect(answer['result']).toEqual({ tools: [], ...shown })
  })

  it('shows the page of a tool that is shown, and no other resource for that', () => {
    const resources = [{ uri: 'ui://page' }, { uri: 'ui://other' }]
    const answer = filterList('resources/list', page({ resources }), server, { ...options(), isPage: (uri) => uri === 'ui://page' })
    expect(answer['result']).toEqual({ resources: [{ uri: 'ui://page' }] })
  })

  it('tells each tool’s definition, which changes when its description does', () => {
    const seen: string[] = []
    for (const description of ['reads', 'reads', 'writes']) {
      filterList(
        'tools/list',
        { result: { tools: [{ name: 'get_issue', description }] } },
        server,
        options((_, definition) => seen.push(definition)),
      )
    }
    expect(seen[0]).toBe(seen[1])
    expect(seen[2]).not.toBe(seen[1])
  })

  it.each<[string, JsonObject]>([
    ['in another letter case, which Go would read as the list', { tools: [], Tools: [{ name: 'delete_repository' }] }],
    ['with a long s, which Go would read as the list', { tools: [], toolſ: [{ name: 'delete_repository' }] }],
    ['as an object instead of a list', { tools: { 0: { name: 'delete_repository' } } }],
    ['only in another letter case', { TOOLS: [{ name: 'delete_repository' }] }],
    ['under a name that differs in case', { tools: [{ name: 'Get_Issue' }, { name: 'delete_repository' }] }],
    ['under a name with a letter that looks alike', { tools: [{ name: 'get_i\u0455sue', title: 'delete_repository' }] }],
    ['under a name with white space', { tools: [{ name: 'get_issue ' }, { name: ' get_issue' }, { name: 'get_issue\u200b' }] }],
    ['under a name that is a list', { tools: [{ name: ['get_issue'] }] }],
    ['in a list within the list', { tools: [[{ name: 'get_issue' }]] }],
  ])('hides a tool that policy does not admit: %s', (_, result) => {
    const answer = filterList(
      'tools/list',
      page(result),
      server,
      options(() => expect.unreachable()),
    )
    expect(answer['result']).toEqual({ tools: [] })
  })

  it('hides what stands beside the result', () => {
    const answer = filterList(
      'tools/list',
      { ...page({ tools: [] }), Result: { tools: [{ name: 'delete_repository' }] } },
      server,
      options(),
    )
    expect(answer).toEqual(page({ tools: [] }))
  })

  it('shows one tool of a name: the first, whose definition counts', () => {
    const seen: string[] = []
    const tools = [
      { name: 'get_issue', description: 'reads' },
      { name: 'get_issue', description: 'writes' },
    ]
    const answer = filterList(
      'tools/list',
      page({ tools }),
      server,
      options((name) => seen.push(name)),
    )
    expect(answer['result']).toEqual({ tools: [tools[0]] })
    expect(seen).toEqual(['get_issue'])
  })

  it('remembers no definition of a tool that is hidden', () => {
    filterList(
      'tools/list',
      page({ tools: [{ name: 'delete_repository' }] }),
      server,
      options(() => expect.unreachable()),
    )
  })

  it('lets an error pass as it is', () => {
    const error = { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'Method not found' } }
    expect(filterList('tools/list', error, server, options())).toEqual(error)
  })

  it('never shows a name that policy does not admit, whatever the server answers', () => {
    const item = fc.oneof(fc.record({ name: fc.oneof(fc.constant('get_issue'), fc.string()) }), fc.jsonValue())
    const key = fc.constantFrom('tools', 'Tools', 'TOOLS', 'toolſ', 'nextCursor')
    fc.assert(
      fc.property(fc.dictionary(key, fc.oneof(fc.array(item), fc.jsonValue())), (result) => {
        const text = JSON.stringify(filterList('tools/list', page(JSON.parse(JSON.stringify(result))), server, options()))
        const { result: shown }: { result: Record<string, unknown> } = JSON.parse(text)
        expect(Object.keys(shown).filter((name) => name !== 'nextCursor')).toEqual(['tools'])
        expect([[], ['get_issue']]).toContainEqual(
          z
            .array(z.looseObject({ name: z.string() }))
            .parse(shown['tools'])
            .map(({ name }) => name),
        )
      }),
    )
  })
})

function options(onTool: ListOptions['onTool'] = () => undefined): ListOptions {
  return { ttl: 60_000, isPage: () => false, onTool }
}

function page(result: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id: 1, result }
}
