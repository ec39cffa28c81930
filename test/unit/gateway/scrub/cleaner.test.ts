import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/core/secret.ts'
import { spellingsOf } from '../../../../src/core/spellings.ts'
import { LiveSearch } from '../../../../src/core/live-search.ts'
import { Cleaner } from '../../../../src/gateway/scrub/cleaner.ts'
import { cases } from '../../../support/cases.ts'

const token = 'ghs_ab12CD34ef56GH78ij90KL12mn34OP56qr78'
const awsKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const password = 'pa"ss\\wö/rd~!€ 2026'
const values = [token, awsKey, password]
const secrets = values.map((value) => new Secret(value))

function search(known: readonly Secret[]): LiveSearch {
  return new LiveSearch({ list: known, version: 1 })
}

const usual = search(secrets)
const cleaner = (live = usual): Cleaner => new Cleaner(live)

const answer = (result: unknown): string => JSON.stringify({ jsonrpc: '2.0', id: 7, result })

type Shape = (parts: readonly string[]) => unknown
/** Places of one message where the parts may stand, and what a client makes of them there. */
const shapes: Record<string, readonly [Shape, (message: never) => string]> = {
  'content items': [
    (parts) => ({ content: parts.map((text) => ({ type: 'text', text })) }),
    ({ result }: { result: { content: { text: string }[] } }) => result.content.map(({ text }) => text).join(''),
  ],
  'content items of other kinds too': [
    (parts) => ({
      content: parts.flatMap<object>((text, index) =>
        index % 2 === 0
          ? [{ type: 'text', text }]
          : [
              { type: 'image', data: 'QUJDREVGR0g=', mimeType: 'image/png' },
              { type: 'resource', resource: { uri: `file:///${index}`, text } },
            ],
      ),
    }),
    ({ result }: { result: { content: { text?: string; resource?: { text: string } }[] } }) =>
      result.content.map((item) => item.text ?? item.resource?.text ?? '').join(''),
  ],
  'an array of structured content': [
    (parts) => ({ content: [], structuredContent: { rows: parts } }),
    ({ result }: { result: { structuredContent: { rows: string[] } } }) => result.structuredContent.rows.join(''),
  ],
  'values of different keys': [
    (parts) => ({ content: [], structuredContent: Object.fromEntries(parts.map((part, index) => [`field${index}`, part])) }),
    ({ result }: { result: { structuredContent: object } }) => Object.values(result.structuredContent).join(''),
  ],
  'one column of a table': [
    (parts) => ({
      structuredContent: parts.map((part, index) => ({ number: index, name: `row ${index}`, part, more: { deep: [null, true] } })),
    }),
    ({ result }: { result: { structuredContent: { part: string }[] } }) => result.structuredContent.map(({ part }) => part).join(''),
  ],
  keys: [
    (parts) => ({ structuredContent: parts.map((part) => ({ [part]: 1 })) }),
    ({ result }: { result: { structuredContent: object[] } }) => result.structuredContent.flatMap((row) => Object.keys(row)).join(''),
  ],
  'keys and their values': [
    (parts) => ({
      structuredContent: parts.flatMap((part, index) => (index % 2 === 0 ? [{ [part]: parts[index + 1] ?? '' }] : [])),
    }),
    ({ result }: { result: { structuredContent: object[] } }) =>
      result.structuredContent.flatMap((row) => Object.entries(row).flat()).join(''),
  ],
}

const spelt = values.flatMap((value, index) =>
  [...new Set(spellingsOf(secrets[index] ?? new Secret('')).text)].map((spelling) => [value, spelling] as const),
)

/** The text in parts, cut at these places. */
function cutAt(text: string, marks: readonly number[]): string[] {
  const cuts = [...new Set(marks.map((mark) => mark % text.length))].sort((left, right) => left - right)
  return [0, ...cuts].map((cut, index) => text.slice(cut, cuts[index] ?? text.length))
}

const said = (text: string): string => text.replaceAll(/[\s,;:"'`[\]{}()<>|\\]/g, '')
const numbers = fc.array(fc.nat(5000), { minLength: 1, maxLength: 12 })
const between = fc.constantFrom('', '\n', ', ', '"', ' "', '": "', '] [')

describe('a message of a server', () => {
  it.each(Object.entries(shapes))('shows no secret in %s, whatever its spelling and wherever it is cut', (_, [shape, join]) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...spelt),
        numbers,
        fc.string(),
        fc.string(),
        between,
        between,
        ([, spelling], marks, before, behind, left, right) => {
          const parts = cutAt(spelling, marks).map(
            (part, index, all) => (index === 0 ? before : left) + part + (index === all.length - 1 ? behind : right),
          )
          const line = answer(shape(parts))
          expect(said(join(JSON.parse(line) as never))).toContain(said(spelling))
          const clean = cleaner().clean(line)
          expect(said(join(JSON.parse(clean) as never))).not.toContain(said(spelling))
        },
      ),
      { numRuns: cases(150) },
    )
  })

  it.each(Object.entries(shapes))('shows no secret in %s, letter by letter', (_, [shape, join]) => {
    for (const [, spelling] of spelt) {
      const clean = cleaner().clean(answer(shape([...spelling])))
      expect(said(join(JSON.parse(clean) as never))).not.toContain(said(spelling))
    }
  })

  it('without a secret comes through byte for byte', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', ' ', '\t'), (json, space) => {
        const line = JSON.stringify({ jsonrpc: '2.0', id: 7, result: JSON.parse(json) }, undefined, space)
        expect(cleaner().clean(line)).toBe(line)
      }),
      { numRuns: cases(300) },
    )
  })

  it('with a part of a secret alone, or with its parts in another order, comes through byte for byte', () => {
    for (const parts of [[token.slice(0, 30)], [token.slice(20), token.slice(0, 20)], [token.slice(0, 20), 'x', token.slice(20)]]) {
      const line = answer({ content: parts.map((text) => ({ type: 'text', text })) })
      expect(cleaner().clean(line)).toBe(line)
    }
  })

  it('keeps what stands around the parts, and says where they stood', () => {
    const content = (...texts: string[]): string => answer({ content: texts.map((text) => ({ type: 'text', text })) })
    expect(cleaner().clean(content(`it is ${token.slice(0, 9)}`, token.slice(9, 30), `${token.slice(30)}, as “you” see\n`, 'end'))).toBe(
      content('it is [redacted by jit]', '[redacted by jit]', '[redacted by jit], as “you” see\n', 'end'),
    )
  })

  it('shows no secret of which a part is a number', () => {
    const secret = new Secret('abcdefgh12345678ijklmnop')
    expect(cleaner(search([secret])).clean(answer({ content: ['x abcdefgh', 12_345_678, 'ijklmnop'] }))).toBe(
      answer({ content: ['x [redacted by jit]', '[redacted by jit]', '[redacted by jit]'] }),
    )
  })

  it.each([
    [
      'some letters as escapes',
      [...token].map((letter, at) => (at % 3 === 0 ? `\\u00${letter.charCodeAt(0).toString(16)}` : letter)).join(''),
    ],
    ['some slashes as escapes', awsKey.replace('/', '\\/').replace('+', '\\u002B')],
    ['JSON within JSON', JSON.stringify([...token].map((letter) => `\\u00${letter.charCodeAt(0).toString(16)}`).join('')).slice(1, -1)],
  ])('shows no secret that its server spells with %s', (_, raw) => {
    const clean = cleaner().clean(`{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"so: ${raw}."}]}}`)
    expect(clean).toBe('{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"so: [redacted by jit]."}]}}')
  })

  it('shows no secret under a key that stands there twice', () => {
    const line = `{"jsonrpc":"2.0","id":7,"result":{"text":"${token.slice(0, 20)}","text":"${token.slice(20)}"}}`
    expect(cleaner().clean(line)).toBe('{"jsonrpc":"2.0","id":7,"result":{"text":"[redacted by jit]","text":"[redacted by jit]"}}')
  })

  it.each([
    ['its method', { jsonrpc: '2.0', method: token.slice(0, 20), params: { [token.slice(20)]: token.slice(20) } }],
    ['its id', { jsonrpc: '2.0', id: token.slice(0, 20), method: token.slice(20), params: {} }],
  ])('is refused when a part stands in %s', (_, message) => {
    const texts = { ...message }
    expect(() => cleaner().clean(JSON.stringify(texts))).toThrow(expect.objectContaining({ code: 'message.credential' }))
  })
})

describe('messages that follow each other', () => {
  const progress = (message: string): string =>
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 't', progress: 1, message } })
  const log = (data: unknown): string =>
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data } })
  const result = (text: string): string => answer({ content: [{ type: 'text', text }] })

  it('show no secret together, letter by letter', () => {
    const one = cleaner()
    const all = [...token].map((letter) => JSON.parse(one.clean(progress(letter))) as { params: { message: string } })
    expect(all.map(({ params }) => params.message).join('')).toBe(`${token.slice(0, -1)}[redacted by jit]`)
  })

  it('of different kinds show no secret together', () => {
    const one = cleaner()
    expect(one.clean(progress(`so ${token.slice(0, 10)}`))).toContain(token.slice(0, 10))
    expect(one.clean(log({ part: token.slice(10, 25) }))).toContain(token.slice(10, 25))
    expect(one.clean(result(`${token.slice(25)} it is`))).toBe(result('[redacted by jit] it is'))
  })

  it('do not get around it by saying the last part again', () => {
    const one = cleaner()
    one.clean(progress(token.slice(0, 20)))
    for (let turn = 0; turn < 3; turn += 1) expect(one.clean(progress(token.slice(20)))).toBe(progress('[redacted by jit]'))
  })

  it('show no secret that begins in one of which another was taken out', () => {
    const one = cleaner()
    one.clean(progress(token.slice(0, 20)))
    expect(one.clean(progress(`${token.slice(20)} ${awsKey.slice(0, 20)}`))).toBe(progress(`[redacted by jit] ${awsKey.slice(0, 20)}`))
    expect(one.clean(progress(awsKey.slice(20)))).toBe(progress('[redacted by jit]'))
  })

  it('show no secret that begins at the end of a long one', () => {
    const one = cleaner()
    one.clean(result(`${'long \\ "text" '.repeat(10_000)}${token.slice(0, 20)}`))
    expect(one.clean(result(token.slice(20)))).toBe(result('[redacted by jit]'))
  })

  it('of other clients have nothing to do with it', () => {
    cleaner().clean(progress(token.slice(0, 20)))
    expect(cleaner().clean(progress(token.slice(20)))).toBe(progress(token.slice(20)))
  })

  it('without a secret come through byte for byte', () => {
    fc.assert(
      fc.property(fc.array(fc.json(), { maxLength: 20 }), (all) => {
        const one = cleaner()
        for (const json of all) expect(one.clean(answer(JSON.parse(json)))).toBe(answer(JSON.parse(json)))
      }),
      { numRuns: cases(100) },
    )
  })
})

it('a plain answer of 1 KB is not looked at closely', () => {
  const line = answer({ content: [{ type: 'text', text: 'the quick brown fox, said "nobody" ever.\n'.repeat(25) }] })
  const one = cleaner()
  const least = (work: () => unknown): number => {
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 400; round += 1) {
      const started = performance.now()
      for (let turn = 0; turn < 40; turn += 1) work()
      best = Math.min(best, performance.now() - started)
    }
    return best
  }
  // The quickest of many rounds, which no other process disturbs. Twice is usual, ten times was seen; to look closely costs hundreds of times.
  expect(least(() => one.clean(line)) / least(() => JSON.parse(line))).toBeLessThan(50)
})

describe('a message that a secret fits into in more ways than one', () => {
  const params = (json: string): string => `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${json}}}`
  const cleanData = (secret: string, json: string): unknown => {
    const { method, params: said } = JSON.parse(cleaner(search([new Secret(secret)])).clean(params(json))) as {
      method: string
      params: Record<string, unknown>
    }
    expect(method).toBe('notifications/message')
    return said['data']
  }

  it.each([
    ['goes on from an escape', 'nabcdefghij', String.raw`"x\nabcdefghij"`, 'x\\[redacted by jit]'],
    ['is a number', '1234567890123', '1234567890123', '[redacted by jit]'],
    ['is part of a number', '1234567890123', '-0.12345678901234', '-0.[redacted by jit]4'],
    ['has a spelling that is a number', 'ppppppppp', '707070707070707070', '[redacted by jit]'],
    ['goes on behind a string', 'abcdefgh","b', '["abcdefgh","b"]', ['[redacted by jit]', '[redacted by jit]']],
    ['is all punctuation', '":{"":[","', '{"":[","]}', { '': [','] }],
    [
      'stands beside itself in escapes',
      'ghs_abcdefgh',
      String.raw`"ghs_abcdefgh \u0067hs_abcdefgh"`,
      '[redacted by jit] [redacted by jit]',
    ],
  ])('is JSON still, with its envelope, when one %s', (_, secret, json, expected) => {
    expect(cleanData(secret, json)).toEqual(expected)
  })

  it('is refused when one reads like its envelope', () => {
    for (const secret of ['"jsonrpc":"2.0"', '"params":{"data"']) expect(() => cleanData(secret, '1')).toThrow(/the protocol needs/)
  })

  it('is JSON still, whatever the secret and the message', () => {
    const odd = fc.string({ unit: fc.constantFrom(...'nu0a1b"\\,:{}[]- '), minLength: 8, maxLength: 14 })
    fc.assert(
      fc.property(odd, fc.array(fc.oneof(odd, fc.nat()), { maxLength: 5 }), fc.nat(2), (secret, values, how) => {
        const parts = [...values, secret, `\n${secret}`]
        const spelt = JSON.stringify(how === 0 ? parts : how === 1 ? { [secret]: parts } : [secret, `x${secret}`, [parts]])
        const clean = JSON.stringify(cleanData(secret, spelt))
        expect(clean).toBeDefined()
      }),
      { numRuns: cases(400) },
    )
  })
})

describe('a message with very many parts of credentials', () => {
  // A long secret beside it lets jit look far around each part.
  const live = search([...secrets, new Secret('long1234'.repeat(500))])

  it.each(['all', 'under a key of their own each'])('comes clean: %s', (how) => {
    const letters = [...token.repeat(1000)]
    const line = answer({
      structuredContent: how === 'all' ? letters : letters.map((_, index) => ({ [`key${index}`]: [token.slice(0, 20), token.slice(20)] })),
    })
    // When each part was looked at by itself it took half a minute, and was refused in the end.
    const clean = cleaner(live).clean(line)
    expect(said(clean)).not.toContain(token)
    expect(said(clean)).not.toContain(said(`${token.slice(0, 20)}","${token.slice(20)}`))
  })

  it('is refused when it has more of them than jit can note', () => {
    const line = answer({ structuredContent: [...token.repeat(100_000)] })
    // All those of the longest message would take gigabytes.
    expect(() => cleaner(live).clean(line)).toThrow(/than jit can note/)
  })

  it('passes when chance alone made it look so: hundreds of thousands of numbers', () => {
    let state = 7
    const numbers = Array.from({ length: 400_000 }, () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0))
    const line = answer({ structuredContent: { numbers: [...numbers, 'ghs_ab12', 'CD34xx'] } })
    expect(cleaner(live).clean(line) === line).toBe(true)
  })
})
