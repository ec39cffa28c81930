import { describe, expect, it } from 'vitest'
import { displayWidth } from '../../../src/cli/output/text.ts'
import { trailLine } from '../../../src/cli/trail.ts'

const call = {
  type: 'call.close',
  time: '2026-11-21T10:00:00.000Z',
  principal: { human: 'ada(1000)', agent: { name: 'claude' } },
  server: 'github',
  tool: 'get_issue',
  resource: 'acme/web#42',
  result: 'ok',
  requests: [{}],
  took: 12,
  lease: { id: 'lease_x', token: 'fp_1' },
}

describe('a line of the trail', () => {
  it('reads human → agent → server → tool → resource → result, with token and requests', () => {
    expect(trailLine(call, false, undefined)).toMatch(
      /^\d\d:\d\d:\d\d  ada\(1000\) → claude → github → get_issue → acme\/web#42 → ok \(1 request, fp_1, 12 ms\)$/,
    )
  })

  it('says of a call that its daemon did not live to end that nobody knows whether it took effect', () => {
    const { result: _result, requests: _requests, took: _took, lease: _lease, ...intent } = call
    expect(trailLine({ ...intent, type: 'call.cut-off' }, false, undefined)).toMatch(
      / → acme\/web#42 → unknown: the daemon ended while it ran; whether it took effect is not known$/,
    )
  })

  it('counts the requests that the record leaves out too', () => {
    expect(trailLine({ ...call, requestsLeftOut: { count: 899 } }, false, undefined)).toContain('(900 requests, fp_1')
  })

  it('is folded where the terminal is narrower', () => {
    const lines = trailLine(call, false, 80).split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[1]).toBe('          ok (1 request, fp_1, 12 ms)')
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80)
    expect(trailLine(call, false, 120)).not.toContain('\n')
  })

  it('keeps the last arrow with the word before it where it is folded', () => {
    const long = { ...call, tool: 'a-tool-with-a-name-of-its-own', resource: 'x'.repeat(8) }
    const lines = trailLine(long, false, 80).split('\n')
    expect(lines.map((line) => line.trim())).not.toContain('→')
    expect(lines.join(' ')).not.toContain('\u00a0')
  })

  it('says why a call was denied', () => {
    const denied = {
      ...call,
      result: 'denied',
      requests: [],
      decision: { effect: 'deny', reason: 'repo is "secret"; it may be web' },
      lease: undefined,
    }
    expect(trailLine(denied, false, undefined)).toContain('→ denied (12 ms): repo is "secret"; it may be web')
  })

  it('shows a refusal with what was tried and why', () => {
    const refused = {
      type: 'egress.refused',
      time: call.time,
      server: 'rogue',
      reason: 'no call in flight',
      request: { method: 'GET', origin: 'https://a.example', path: '/x' },
    }
    expect(trailLine(refused, false, undefined)).toContain('rogue tried GET https://a.example/x → refused: no call in flight')
  })

  it.each([
    [
      { traceparent: '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01', tracestate: 'a=b' },
      'trace 0af7651916cd43dd8448eb211c80319c',
    ],
    [{ baggage: 'a=b', 'vscode.requestId': 'r1' }, 'vscode.requestId r1'],
  ])('says what the call is part of, as its client says', (trace, shown) => {
    expect(trailLine({ ...call, trace }, false, undefined)).toMatch(new RegExp(`12 ms, ${shown}\\)$`))
  })

  it('shows what a server may not ask of the client, and what it may with --all', () => {
    const detail = { method: 'sampling/createMessage', decision: 'deny', reason: 'server s may not use the client’s model' }
    const asked = { type: 'client.asked', time: call.time, server: 's', detail }
    expect(trailLine(asked, false, undefined)).toContain('s asked the client for sampling/createMessage → denied: server s may not')
    const allowed = { ...asked, detail: { method: 'elicitation/create', decision: 'allow', origin: 'https://a.dev' } }
    expect(trailLine(allowed, false)).toBe('')
    expect(trailLine(allowed, true, undefined)).toContain('s asked the client for elicitation/create https://a.dev → allowed')
  })

  it('keeps quiet about what only --all shows', () => {
    const issued = { type: 'lease.issued', time: call.time, call: 'call_1' }
    expect(trailLine(issued, false)).toBe('')
    expect(trailLine(issued, true, undefined)).toContain('lease.issued call_1')
  })

  it('says a tool once that has no other name for what it touches', () => {
    expect(trailLine({ ...call, resource: call.tool }, false, undefined)).toContain('→ github → get_issue → ok')
  })

  it('shows a hostile resource as text', () => {
    const line = trailLine({ ...call, resource: 'a\u001b[2K\r→ ok', tool: 'x\u202e' }, false, undefined)
    expect(line).not.toMatch(/[\u001b\r\u202e]/)
  })
})
