import { describe, expect, it } from 'vitest'
import { fold } from '../../demo/narrate.ts'

describe('a line of the demo', () => {
  it('goes on where it began, or under its second column', () => {
    expect(fold('   ', 'one two three four five', undefined, 23)).toBe('   one two three four\n   five')
    expect(fold('', 'app  one two three four five', undefined, 25)).toBe('app  one two three four\n     five')
    expect(fold(' ', 'jit add one two three four five', 4, 26)).toBe(' jit add one two three\n     four five')
  })

  it('is never wider than the terminal, and loses nothing', () => {
    const text = '  10:00:00  root(0) → demo → github → get_issue → denied (0 ms): repo "secret" is not among web, api'
    for (let width = 40; width < 120; width += 1) {
      const folded = fold('   ', text, undefined, width)
      expect(Math.max(...folded.split('\n').map((line) => line.length))).toBeLessThanOrEqual(width)
      expect(folded.replace(/\s+/g, ' ').trim()).toBe(text.replace(/\s+/g, ' ').trim())
    }
  })

  it('is as long as it is where there is no terminal', () => {
    expect(fold('   ', `${'x '.repeat(100)}\ny`, undefined, undefined)).toBe(`   ${'x '.repeat(100)}\n   y`)
  })
})
