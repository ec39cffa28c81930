import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { callbackPage, type Outcome } from '../../../src/daemon/login-page.ts'

const outcomes: readonly Outcome[] = ['received', 'refused', 'used', 'expired', 'unknown']

/** Relative luminance of a colour, and the contrast of two: WCAG 2.2. */
function luminance(colour: string): number {
  const digits = colour.length === 4 ? colour.replace(/[\da-f]/g, '$&$&') : colour
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(digits.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((left, right) => left - right)
  return (light + 0.05) / (dark + 0.05)
}

function styleOf(body: string): string {
  return /<style>([^]*)<\/style>/.exec(body)?.[1] ?? ''
}

describe.each(outcomes)('the page that the browser shows at the end of a login: %s', (outcome) => {
  const { headers, body } = callbackPage(outcome)

  it('has a language, a title of its own, one heading, and a width that fits a telephone', () => {
    expect(body).toMatch(/^<!doctype html>\n<html lang="en">/)
    expect(body).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
    const heading = /<h1>([^<]+)<\/h1>/.exec(body)?.[1] ?? ''
    expect(body).toContain(`<title>${heading} – jit</title>`)
    expect(body.match(/<h1/g)).toHaveLength(1)
    expect(outcomes.filter((one) => callbackPage(one).body.includes(`<h1>${heading}</h1>`))).toEqual([outcome])
  })

  it('loads nothing, runs nothing, and is styled by what its policy lets through', () => {
    expect(body).not.toMatch(/<(script|img|link|iframe|form|object)|\b(src|href|on\w+|style)=|url\(|@import/i)
    const hash = createHash('sha256').update(styleOf(body)).digest('base64')
    expect(headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    )
  })
})

describe('the colours of that page', () => {
  const style = styleOf(callbackPage('received').body)
  it.each([
    ['the light', /:root \{ color-scheme[^}]*\}/],
    ['the dark', /dark\) \{ :root \{[^}]*\}/],
  ])('can be read in %s', (_, where) => {
    const colours = Object.fromEntries(
      [...(where.exec(style)?.[0] ?? '').matchAll(/--(\w+): (#[\da-f]+)/g)].map(([, name = '', colour = '']) => [name, colour]),
    )
    expect(Object.keys(colours)).toEqual(['ground', 'text', 'quiet', 'good', 'bad'])
    const { ground = '' } = colours
    for (const name of ['text', 'quiet']) expect(contrast(colours[name] ?? '', ground), name).toBeGreaterThan(7)
    for (const name of ['good', 'bad']) expect(contrast(colours[name] ?? '', ground), name).toBeGreaterThan(4.5)
  })
})
