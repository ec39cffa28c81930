import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorTable, JitError, quote } from '../../src/core/errors.ts'

const root = resolve(import.meta.dirname, '../..')

describe('the error table', () => {
  it('keeps its JSON-RPC codes out of the ranges that JSON-RPC and MCP reserve', () => {
    for (const row of Object.values(errorTable)) expect(row.rpc < -32768 || row.rpc > -32000).toBe(true)
  })

  it('gives each code a JSON-RPC number of its own and an exit code between 1 and 255', () => {
    const numbers = Object.values(errorTable).map((row) => row.rpc)
    expect(new Set(numbers).size).toBe(numbers.length)
    for (const row of Object.values(errorTable)) expect(row.exit).toSatisfy((exit: number) => exit > 0 && exit < 256)
  })

  it('and the page of errors name the same codes', () => {
    const page = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8')
    const named = [...page.matchAll(/^\| `([a-z.-]+)`/gm)].map((match) => match[1])
    expect(named).toEqual(Object.keys(errorTable))
  })

  it('holds no code that nothing raises', () => {
    const text = sources()
    const unused = Object.keys(errorTable).filter((code) => !text.includes(`'${code}'`))
    expect(unused).toEqual([])
  })

  it('gives every error its hint, status and exit code', () => {
    const error = new JitError('locked', 'everything is locked')
    expect(error.toBody()).toEqual({
      error: { code: 'locked', message: 'everything is locked', hint: errorTable.locked.hint, details: {} },
    })
    expect([error.httpStatus, error.rpcCode, error.exitCode]).toEqual([423, 1404, 5])
  })
})

describe('quote', () => {
  it.each([
    ['an escape sequence', '\u001b[31mred', '"\\u001b[31mred"'],
    ['a bidirectional override', 'a\u202eb', '"a\\u{202e}b"'],
    ['a zero-width space', 'a\u200bb', '"a\\u{200b}b"'],
    ['a newline', 'a\nb', '"a\\nb"'],
    ['nothing', undefined, 'undefined'],
  ])('shows %s as text', (_, value, shown) => {
    expect(quote(value)).toBe(shown)
  })

  it('cuts what is long and says how long it was', () => {
    expect(quote('x'.repeat(500), 10)).toBe('"xxxxxxxxx… (502 characters)')
  })
})

function sources(): string {
  return ['src', 'providers']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter(
      (entry) =>
        entry.isFile() &&
        /\.(ts|js)$/.test(entry.name) &&
        !entry.name.endsWith('.test.ts') &&
        !(entry.parentPath.endsWith('core') && entry.name === 'errors.ts'),
    )
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n')
}
