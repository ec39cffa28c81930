import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../../src/core/json.ts'
import { provenanceOf } from '../../../../src/gateway/call/provenance.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01'

describe('where a call came from', () => {
  it.each<[string, JsonObject, JsonObject]>([
    ['a trace', { traceparent, tracestate: 'a=b', baggage: 'k=v' }, { traceparent, tracestate: 'a=b', baggage: 'k=v' }],
    ['Claude Code', { 'claudecode/toolUseId': 'toolu_1', progressToken: 1 }, { 'claudecode/toolUseId': 'toolu_1' }],
    ['VS Code', { 'vscode.conversationId': 'c', 'vscode.requestId': 'r' }, { 'vscode.conversationId': 'c', 'vscode.requestId': 'r' }],
    [
      'Codex',
      { threadId: 't', 'x-codex-turn-metadata': { turn_id: 'u', thread_id: 't', other: 'x' } },
      { threadId: 't', 'codex.thread_id': 't', 'codex.turn_id': 'u' },
    ],
    ['a key of the config', { 'acme.dev/turn': 7, 'acme.dev/other': 8 }, { 'acme.dev/turn': '7' }],
  ])('is what %s says', (_, meta, found) => {
    expect(provenanceOf({ _meta: meta }, ['acme.dev/turn'])).toEqual(found)
  })

  it.each<[string, JsonObject]>([
    ['no `_meta`', {}],
    ['a `_meta` that is none', { _meta: 'x' }],
    ['nothing that is known', { _meta: { progressToken: 1, 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }],
    ['a traceparent of another form', { _meta: { traceparent: traceparent.toUpperCase() } }],
    ['a traceparent of zeros', { _meta: { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` } }],
    ['a traceparent of the version that is none', { _meta: { traceparent: traceparent.replace('00-', 'ff-') } }],
    ['an id that is too long', { _meta: { 'claudecode/toolUseId': 'x'.repeat(257) } }],
    ['an id with a line break', { _meta: { 'claudecode/toolUseId': 'a\nb' } }],
    ['an id that is an object', { _meta: { 'claudecode/toolUseId': { a: 1 } } }],
  ])('is not recorded of %s', (_, params) => {
    expect(provenanceOf(params, [])).toBeUndefined()
  })

  it('never takes more than a few short texts', () => {
    const key = fc.constantFrom('traceparent', 'tracestate', 'baggage', 'threadId', 'x-codex-turn-metadata', 'more')
    fc.assert(
      fc.property(fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.string({ maxLength: 3000 }))), (meta) => {
        const found = provenanceOf(JSON.parse(JSON.stringify({ _meta: meta })), ['more'])
        expect(JSON.stringify(found ?? {}).length).toBeLessThan(5000)
        for (const value of Object.values(found ?? {})) expect(value).toMatch(/^[ -~]+$/)
      }),
    )
  })
})
