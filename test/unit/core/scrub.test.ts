import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScrubber, LiveScrubber } from '../../../src/core/scrub.ts'
import { Secret } from '../../../src/core/secret.ts'
import { cases } from '../../support/cases.ts'

const token = 'ghs_ab12CD34ef56GH78ij90KL12mn34OP56qr78'
const awsKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const password = 'pa"ss\\wö/rd~!€ 2026'

/** How people and programs spell a value. */
const encodings: Record<string, (value: string) => string> = {
  raw: (value) => value,
  base64: (value) => Buffer.from(value).toString('base64'),
  'base64 after one byte': (value) => Buffer.from(`x${value}`).toString('base64'),
  'base64 after two bytes': (value) => Buffer.from(`xy${value}zz`).toString('base64'),
  'Basic pair': (value) => `Basic ${Buffer.from(`x-access-token:${value}`).toString('base64')}`,
  base64url: (value) => Buffer.from(`?>${value}`).toString('base64url'),
  percent: (value) => encodeURIComponent(value),
  'percent in lower case': (value) => encodeURIComponent(value).replace(/%../g, (escape) => escape.toLowerCase()),
  'percent as in forms': (value) => new URLSearchParams({ value }).toString(),
  'every byte as percent': (value) => Buffer.from(value).toString('hex').replace(/../g, '%$&'),
  'every byte as percent in upper case': (value) => Buffer.from(value).toString('hex').toUpperCase().replace(/../g, '%$&'),
  hex: (value) => Buffer.from(value).toString('hex'),
  'hex in upper case': (value) => Buffer.from(value).toString('hex').toUpperCase(),
  'hex with spaces': (value) => Buffer.from(value).toString('hex').replace(/../g, '$& '),
  'hex in upper case with spaces': (value) => Buffer.from(value).toString('hex').toUpperCase().replace(/../g, '$& ').trim(),
  JSON: (value) => JSON.stringify({ value }),
  'JSON with escaped slashes': (value) => JSON.stringify({ value }).replaceAll('/', '\\/'),
  'JSON of only escapes': (value) =>
    [...Array(value.length).keys()].map((at) => `\\u${value.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
}
const names = Object.keys(encodings)

function spell(encoding: string, value: string): string {
  return encodings[encoding]?.(value) ?? ''
}

function streamed(secrets: readonly Secret[], bytes: Buffer, cuts: readonly number[]): string {
  const stream = createScrubber(secrets).stream()
  const out: Buffer[] = []
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    out.push(stream.push(bytes.subarray(from, cut)))
    from = cut
  }
  out.push(stream.end())
  return Buffer.concat(out).toString('utf8')
}

/** Everything that a reader could take the text for: itself, and what it decodes to. */
function readings(text: string): string[] {
  const runs = text.match(/[A-Za-z0-9+/_-]{8,}/g) ?? []
  return [
    text,
    Buffer.from(
      text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
      'latin1',
    ).toString(),
    text.replace(/%[0-9a-f]{2}|\+/gi, (escape) => (escape === '+' ? ' ' : String.fromCharCode(Number.parseInt(escape.slice(1), 16)))),
    text.replace(/\\u([0-9a-f]{4})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))).replace(/\\(.)/g, '$1'),
    ...runs.flatMap((run) => [0, 1, 2, 3].map((skip) => Buffer.from(run.slice(skip), 'base64').toString())),
    ...(text.match(/\b(?:[0-9a-f]{2} ){8,}/gi) ?? []).map((run) => Buffer.from(run.replaceAll(' ', ''), 'hex').toString()),
    ...runs.flatMap((run) => [0, 1].map((skip) => Buffer.from(run.slice(skip), 'hex').toString())),
  ]
}

/** Whether 12 characters of the secret in a row can still be read. */
function survives(text: string, secret: string): boolean {
  return readings(text).some((reading) => [...Array(secret.length - 11).keys()].some((at) => reading.includes(secret.slice(at, at + 12))))
}

describe('a scrubber', () => {
  it.each(names.flatMap((name) => [token, awsKey, password].map((value) => [name, value] as const)))('removes %s of %s', (name, value) => {
    const spelling = spell(name, value)
    const clean = createScrubber([new Secret(value)]).scrubText(`before ${spelling} after`)
    expect(clean).toContain('[redacted by jit]')
    expect(clean.startsWith('before ')).toBe(true)
    expect(clean.endsWith(' after')).toBe(true)
    expect(survives(`before ${spelling} after`, value)).toBe(true)
    expect(survives(clean, value)).toBe(false)
  })

  it.each(names)('removes %s that is split at any place', (name) => {
    for (const value of [token, awsKey, password]) {
      const spelling = spell(name, value)
      const bytes = Buffer.from(`a ghs_ ${spelling} z`)
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const clean = streamed([new Secret(value)], bytes, [cut])
        expect(survives(clean, value)).toBe(false)
        expect(clean.endsWith(' z')).toBe(true)
      }
    }
  })

  const strict = 'IQoJb3+/aé&<x>\'€"Zz=='
  it.each([
    ['Python', 'IQoJb3+/a\\u00e9&<x>\'\\u20ac\\"Zz=='],
    ['PHP', 'IQoJb3+\\/a\\u00e9&<x>\'\\u20ac\\"Zz=='],
    ['Go', 'IQoJb3+/aé\\u0026\\u003cx\\u003e\'€\\"Zz=='],
    ['Gson', 'IQoJb3+/aé\\u0026\\u003cx\\u003e\\u0027€\\"Zz\\u003d\\u003d'],
    ['.NET', 'IQoJb3\\u002B/a\\u00E9\\u0026\\u003Cx\\u003E\\u0027\\u20AC\\u0022Zz=='],
  ])('removes what the JSON of %s makes of odd characters, also where that is a text within JSON', (_, spelling) => {
    expect(JSON.parse(`"${spelling}"`)).toBe(strict)
    const secrets = [new Secret(strict)]
    expect(createScrubber(secrets).scrubText(`{"key":"${spelling}"}`)).toBe('{"key":"[redacted by jit]"}')
    expect(streamed(secrets, Buffer.from(`{"key":"${spelling}"}`), [12])).toBe('{"key":"[redacted by jit]"}')
  })

  it('removes a secret that comes byte by byte among others', () => {
    const bytes = Buffer.from(`${token}${awsKey}-${password} ${token}`)
    const all = [token, awsKey, password].map((value) => new Secret(value))
    expect(streamed(all, bytes, [...bytes.keys()])).toBe('[redacted by jit][redacted by jit]-[redacted by jit] [redacted by jit]')
  })

  it.each([
    ['there was none', [], [token]],
    ['there were others', [awsKey], [awsKey, token]],
    ['all others were ASCII', [token], [token, password]],
  ])('removes a secret that is learnt while the body comes, when before it %s', (_, before, after) => {
    const scrubber = new LiveScrubber()
    scrubber.update(before.map((value) => new Secret(value)))
    const stream = scrubber.stream()
    const first = stream.push(Buffer.from('first '))
    scrubber.update(after.map((value) => new Secret(value)))
    const last = Buffer.from(`${after.join(' ')} last`)
    const rest = [...last.keys()].map((index) => stream.push(last.subarray(index, index + 1)))
    const clean = Buffer.concat([first, ...rest, stream.end()]).toString()
    expect(clean).toBe(`first ${after.map(() => '[redacted by jit]').join(' ')} last`)
  })

  it('leaves every other byte as it was, whatever the cuts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(400), { maxLength: 5 }), (data, marks) => {
        const bytes = Buffer.from(data)
        const stream = createScrubber([new Secret(token)]).stream()
        const out: Buffer[] = []
        let from = 0
        for (const cut of [...marks.filter((mark) => mark <= bytes.length).sort((left, right) => left - right), bytes.length]) {
          out.push(stream.push(bytes.subarray(from, cut)))
          from = cut
        }
        out.push(stream.end())
        expect(Buffer.concat(out).equals(bytes)).toBe(true)
      }),
    )
  })

  it('finds what a plain search finds, in any text and with any secrets', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 8, maxLength: 14 })
    fc.assert(
      fc.property(
        fc.array(letters, { minLength: 1, maxLength: 4 }),
        fc.array(fc.oneof(letters, fc.nat(3)), { maxLength: 12 }),
        fc.array(fc.nat(120), { maxLength: 6 }),
        (values, parts, marks) => {
          const text = parts.map((part) => (typeof part === 'string' ? part : (values[part] ?? '-'))).join('')
          const secrets = values.map((value) => new Secret(value))
          const clean = createScrubber(secrets).scrubText(text)
          for (const value of values) expect(clean.includes(value)).toBe(false)
          const cuts = marks.filter((mark) => mark <= text.length).sort((left, right) => left - right)
          expect(streamed(secrets, Buffer.from(text), cuts)).toBe(clean)
        },
      ),
      { numRuns: cases(500) },
    )
  })

  it('holds nothing back that cannot become a secret', () => {
    const stream = createScrubber([new Secret(token)]).stream()
    expect(stream.push(Buffer.from('data: hello\n\n')).toString()).toBe('data: hello\n\n')
    expect(stream.push(Buffer.from('the token is ghs_ab12')).toString()).toBe('the token is ')
    expect(stream.push(Buffer.from('!')).toString()).toBe('ghs_ab12!')
    expect(stream.end().length).toBe(0)
  })

  it('does not tear a longer secret that begins with, or holds, a shorter one', () => {
    const inner = 'hvs.CAESIJ'
    const outer = `prefix-${inner}-and-the-rest`
    const secrets = [new Secret(inner), new Secret(outer), new Secret(`${inner}-longer-still`)]
    for (const text of [outer, `${inner}-longer-still`]) {
      for (let cut = 0; cut <= text.length; cut += 1)
        expect(streamed(secrets, Buffer.from(`<${text}>`), [cut + 1])).toBe('<[redacted by jit]>')
    }
    expect(streamed(secrets, Buffer.from(inner), [4])).toBe('[redacted by jit]')
  })

  it.each([
    ['JSON escapes', '\\u0067\\u0068\\u0073\\u005f'],
    ['the format', 'ghs_12345_eyJhbGciOiJSUzI1NiJ9.'],
    ['half of its escapes', '\\u0067\\u0068\\u00'],
  ])('is not held up by a text full of what all tokens begin with: %s', (_, beginning) => {
    const letters = (seed: number): string => [...Array(60).keys()].map((at) => ((seed * 31 + at * at * 17) % 36).toString(36)).join('')
    const secrets = [...Array(300).keys()].map((seed) => new Secret(`ghs_12345_eyJhbGciOiJSUzI1NiJ9.${letters(seed)}${seed}`))
    const text = beginning.repeat(4_000_000 / beginning.length)
    const started = performance.now()
    expect(createScrubber(secrets).scrubText(text) === text).toBe(true)
    const cuts = [...Array(60).keys()].map((index) => index * 16_384)
    expect(streamed(secrets, Buffer.from(text.slice(0, 1_000_000)), cuts)).toBe(text.slice(0, 1_000_000))
    // It takes a tenth; comparing with each secret would take twice as long, and 15 times that for the longest answer.
    expect(performance.now() - started).toBeLessThan(4000)
  })

  it('takes no notice of values too short to be secrets, and of none at all', () => {
    const text = 'the quick brown fox'
    expect(createScrubber([new Secret(''), new Secret('quick')]).scrubText(text)).toBe(text)
    const chunk = Buffer.from(text)
    expect(createScrubber([]).stream().push(chunk)).toBe(chunk)
  })

  it('uses the replacement it is given', () => {
    expect(createScrubber([new Secret(token)], '***').scrubText(`x${token}`)).toBe('x***')
  })
})
