import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { attempts } from '../../demo/hostile/attempts.ts'
import { places } from '../../demo/hostile/attempt.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/security.md'), 'utf8')
const [, section = ''] = page.split('## What the hostile server gets\n')

describe('docs/security.md', () => {
  it('lists what the hostile server gets, and nothing that is stopped', () => {
    const listed = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (?!what \||--- \|)(.+?) \| (.+?) \| (.+?) \|$/gm)].map(
      ([, title = '', where = '', why = '']) => ({ title, where, why }),
    )
    const open = attempts.flatMap(({ title, open: where = [] }) => (where.length === 0 ? [] : [{ title, where: where.join(', ') }]))
    expect(listed.map(({ title, where }) => ({ title, where }))).toEqual(open)
    for (const { why } of listed) expect(why.length).toBeGreaterThan(20)
  })
})

describe('the tests that docs/security.md names', () => {
  const root = join(import.meta.dirname, '../../..')
  const rows = [...page.matchAll(/^\| \d+ \| (.+?) \| `(.+?)`: (.+) \|$/gm)].map(([, threat = '', file = '', names = '']) => ({
    threat,
    file,
    names,
  }))

  it('are one for each threat', () => {
    expect(rows).toHaveLength(31)
  })

  it.each(rows)('$threat: is there under its name', ({ file, names }) => {
    expect(existsSync(join(root, file))).toBe(true)
    const text = readFileSync(join(root, file), 'utf8')
    for (const [, name = ''] of names.matchAll(/“(.+?)”(?:;|$)/g)) expect(text).toContain(name)
  })
})

describe('the attempts of the hostile server', () => {
  it('have names that are their own and fit a line', () => {
    expect(new Set(attempts.map(({ title }) => title)).size).toBe(attempts.length)
    for (const { title } of attempts) expect(title.length).toBeLessThanOrEqual(46)
  })

  it('are made in some place, and open in none where they are not made', () => {
    for (const { title, places: here = places, open = [] } of attempts) {
      expect([title, here.length]).not.toEqual([title, 0])
      expect([title, open.filter((place) => !here.includes(place))]).toEqual([title, []])
    }
  })
})
