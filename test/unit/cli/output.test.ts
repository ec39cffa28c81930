import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { card, plain, scopeText, span, table } from '../../../src/cli/output.ts'
import { trailLine } from '../../../src/cli/trail.ts'

describe('what a stranger wrote', () => {
  it.each([
    ['an escape sequence', '\u001b[2Jgone', '\\u001b[2Jgone'],
    ['a new line', 'a\nb', 'a\\u000ab'],
    ['a bidirectional override', 'a\u202eb', 'a\\u202eb'],
    ['an invisible character', 'a\u200bb', 'a\\u200bb'],
  ])('is shown, not obeyed: %s', (_, text, shown) => {
    expect(plain(text)).toBe(shown)
    expect(table(['x'], [[text]])).toContain(shown)
  })
})

describe('output', () => {
  it('aligns columns to their content', () => {
    expect(
      table(
        ['a', 'b'],
        [
          ['long', 'x'],
          ['s', 'y'],
        ],
      )
        .split('\n')
        .slice(1),
    ).toEqual(['long  x', 's     y'])
  })

  it('leaves out empty lines of a card and indents the others', () => {
    const shown = card([
      ['one', '1\n2'],
      ['empty', ''],
      ['three', '3'],
    ])
    expect(stripVTControlCharacters(shown)).toBe('one    1\n       2\nthree  3')
  })

  it('says a scope of GitHub in words and any other as it is', () => {
    expect(scopeText({ repositories: ['acme/web'], permissions: { issues: 'read' } })).toBe('issues: read on acme/web')
    expect(scopeText({ policies: ['x'] })).toBe('{"policies":["x"]}')
  })

  it.each([
    [3, '3 ms'],
    [5000, '5 s'],
    [300_000, '5 min'],
    [7_200_000, '2 h'],
    [259_200_000, '3 d'],
  ])('says %d milliseconds as %s', (milliseconds, text) => {
    expect(span(milliseconds)).toBe(text)
  })
})

describe('a line of the trail', () => {
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

  it('reads human → agent → server → tool → resource → result', () => {
    expect(plainLine(call, false)).toContain('ada(1000) → claude → github → get_issue → acme/web#42 → ')
    expect(plainLine(call, false)).toContain('1 request, fp_1, 12 ms')
  })

  it('shows a refusal with what was tried and why', () => {
    const line = plainLine(
      {
        type: 'egress.refused',
        time: call.time,
        server: 'rogue',
        reason: 'no call in flight',
        request: { method: 'GET', origin: 'https://a.example', path: '/x' },
      },
      false,
    )
    expect(line).toContain('rogue tried GET https://a.example/x → ')
    expect(line).toContain('no call in flight')
  })

  it('keeps quiet about what only --all shows', () => {
    expect(plainLine({ type: 'lease.issued', time: call.time, call: 'call_1' }, false)).toBe('')
    expect(plainLine({ type: 'lease.issued', time: call.time, call: 'call_1' }, true)).toContain('lease.issued')
  })
})

/** Colours come and go with the terminal. */
function plainLine(...args: Parameters<typeof trailLine>): string {
  return stripVTControlCharacters(trailLine(...args))
}
