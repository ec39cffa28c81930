import { describe, expect, it } from 'vitest'
import { changingLists } from '../../../../src/gateway/client/changing-lists.ts'

const news = (kind: string): string => `{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"}`

describe('a client is told of changes of', () => {
  it.each<[string, unknown, string[]]>([
    ['the lists that may change', { tools: { listChanged: true }, prompts: { listChanged: true } }, ['tools', 'prompts']],
    ['no list that may not', { tools: {}, resources: { listChanged: false }, prompts: { listChanged: 'yes' } }, []],
    ['no list that is none of MCP’s', { gadgets: { listChanged: true } }, []],
    ['none where capabilities are no object', [{ tools: { listChanged: true } }], []],
    ['none where there are no capabilities', undefined, []],
  ])('%s', (_, capabilities, kinds) => {
    expect(changingLists({ protocolVersion: '2025-06-18', capabilities })).toEqual(kinds.map(news))
  })

  it('none where the server refused to begin', () => {
    expect(changingLists(undefined)).toEqual([])
  })
})
