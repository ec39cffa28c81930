import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { card, table } from '../../../src/cli/output/layout.ts'
import { foldLines } from '../../../src/cli/output/terminal.ts'
import { count, cut, displayWidth, pad, plain, plainJson, wrap } from '../../../src/cli/output/text.ts'

describe('what a stranger wrote', () => {
  it.each([
    ['an escape sequence', '\u001b[2Jgone', '\\u001b[2Jgone'],
    ['an escape sequence of one character', '\u009b31mred', '\\u009b31mred'],
    ['a new line', 'a\nb', 'a\\u000ab'],
    ['a carriage return', 'allowed\rdenied ', 'allowed\\u000ddenied '],
    ['a backspace', 'evil\b\b\b\bgood', 'evil\\u0008\\u0008\\u0008\\u0008good'],
    ['a bidirectional override', 'a\u202eb', 'a\\u202eb'],
    ['a bidirectional isolate', 'a\u2066b', 'a\\u2066b'],
    ['an Arabic letter mark', 'a\u061cb', 'a\\u061cb'],
    ['an invisible character', 'a\u200bb', 'a\\u200bb'],
    ['a filler without ink', 'a\u3164b', 'a\\u3164b'],
    ['a tag character', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['half of a pair', 'a\ud800b', 'a\\ud800b'],
    ['nothing unusual', 'Grüße, 世界 🙂', 'Grüße, 世界 🙂'],
  ])('is shown, not obeyed: %s', (_, text, shown) => {
    expect(plain(text)).toBe(shown)
    expect(table(['x'], [[text]], undefined)).toContain(shown.trimEnd())
  })

  it('never reaches the terminal as a control character, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(plain(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/)
        expect(table(['a', 'b'], [[text, text]], 60)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
      }),
    )
  })
})

describe('JSON for a terminal', () => {
  it('is the same value, without anything that a terminal obeys', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const text = plainJson(JSON.stringify(value, null, 2))
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/)
      }),
    )
    expect(plainJson(JSON.stringify('a\u009b31m\u202e\u{e0041}🙂'))).toBe('"a\\u009b31m\\u202e\\udb40\\udc41🙂"')
  })
})

describe('widths', () => {
  it.each([
    ['abc', 3],
    ['世界', 4],
    ['🙂', 2],
    ['e\u0301', 1],
    ['\u001b[31mred\u001b[39m', 3],
    ['', 0],
  ])('%j takes %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width)
    expect(displayWidth(pad(text, 10))).toBe(10)
  })

  it.each([
    ['fits', 'abc', 3, 'abc'],
    ['is too long', 'abcdef', 4, 'abc…'],
    ['is wide', '世界世界', 5, '世界…'],
  ])('a text that %s is cut to its columns', (_, text, width, shown) => {
    expect(cut(text, width)).toBe(shown)
  })

  it('wrapping loses nothing and keeps within its columns', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'b', ' ', '世', '-') }), fc.integer({ min: 2, max: 40 }), (text, width) => {
        const lines = wrap(text, width)
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width)
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
      }),
    )
  })

  it.each([
    [0, '0 calls'],
    [1, '1 call'],
    [2, '2 calls'],
  ])('%d is said as %s', (number, text) => {
    expect(count(number, 'call')).toBe(text)
  })
})

describe('a table', () => {
  const rows = [
    ['lease_7k2m9x0q4r8s1t5v', 'live', 'github/create_or_update_file', 'issues: read, contents: write on acme/web, acme/api'],
    ['lease_2', 'lost', 'x/y', 'short'],
  ]
  const head = ['lease', 'state', 'for', 'scope']

  it('aligns columns to their content where lines may be long', () => {
    expect(
      table(
        ['a', 'b'],
        [
          ['long', 'x'],
          ['s', 'y'],
        ],
        undefined,
      ),
    ).toBe('a     b\nlong  x\ns     y')
  })

  it.each([40, 60, 80, 120])('keeps within %d columns, and what a person copies whole', (width) => {
    const lines = table(head, rows, width).split('\n')
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(Math.max(width, 22 + 2 + 6 + 2 + 6 + 2 + 24))
    expect(lines.join('\n')).toContain('lease_7k2m9x0q4r8s1t5v')
  })

  it('wraps its last column under itself', () => {
    const lines = table(['a', 'b'], [['x', 'one two three four five six seven eight nine ten eleven']], 30).split('\n')
    expect(lines).toEqual(['a  b', 'x  one two three four five six', '   seven eight nine ten eleven'])
  })

  it('pads what is painted by its text, not by its colour codes', () => {
    const paint = (text: string): string => `\u001b[32m${text}\u001b[39m`
    expect(
      table(
        ['a', 'b'],
        [
          [{ text: 'ok', paint }, 'x'],
          ['long', 'y'],
        ],
        undefined,
      ),
    ).toBe('a     b\n\u001b[32mok  \u001b[39m  x\nlong  y')
  })

  it('with no rows is its head', () => {
    expect(table(['a', 'b'], [], 80)).toBe('a  b')
  })
})

describe('a card', () => {
  it('leaves out empty values and indents further lines', () => {
    expect(
      card(
        [
          ['one', '1\n2'],
          ['empty', ''],
          ['three', '3'],
        ],
        undefined,
      ),
    ).toBe('one    1\n       2\nthree  3')
  })

  it('wraps long values under themselves', () => {
    expect(card([['label', 'one two three four five six seven']], 36)).toBe('label  one two three four five six\n       seven')
  })
})

describe('lines for people', () => {
  it('fit the terminal without a broken word, and go on where they are told to', () => {
    const text = '2 credentials cut here; none dead upstream, 2 of a key that stays valid there until it is rotated\nshort'
    for (let width = 24; width < 100; width += 1) {
      const folded = foldLines(text, 2, width)
      expect(Math.max(...folded.split('\n').map(displayWidth))).toBeLessThanOrEqual(width)
      expect(folded.replaceAll('\n  ', ' ')).toBe(text)
    }
    expect(foldLines(text, 2, undefined)).toBe(text)
  })

  it('leave a short column whole beside a long last one', () => {
    const row = ['lease_02myvgextsaa7d0z', 'everything', 'about: metrics', '4 min', 'cut here; nothing can be revoked there']
    expect(table(['lease', 'server', 'scope', 'lived', 'confirmed upstream'], [row], 80)).toContain('about: metrics')
  })
})
