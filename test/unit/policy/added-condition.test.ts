import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { addedCondition } from '../../../src/policy/added-condition.ts'
import { createConditions } from '../../../src/policy/condition.ts'

const expression = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('args.a', 'args.b', 'args.n > 1', 'args.n > 1.0', 'has(args.b)', 'args.t == "x && y"'),
    fc.tuple(tie('any'), fc.constantFrom('&&', '||'), tie('any')).map((parts) => parts.join(' ')),
    tie('any').map((inner) => `(${inner})`),
    tie('any').map((inner) => `!(${inner})`),
  ),
})).any

const calls: JsonObject[] = [true, false].flatMap((a) =>
  [{ b: true }, { b: false }, {}].flatMap((rest) => [1, 2].flatMap((n) => ['x && y', 'z'].map((t) => ({ a, n, t, ...rest })))),
)

function letsThrough(source: string): Set<number> {
  const { holds } = createConditions()(source)
  return new Set(calls.flatMap((args, index) => (attempt(() => holds(args)) ? [index] : [])))
}

function attempt(holds: () => boolean): boolean {
  try {
    return holds()
  } catch {
    return false
  }
}

describe('what one condition demands beside another', () => {
  it('is told only where it lets nothing through that the other did not', () => {
    fc.assert(
      fc.property(expression, expression, fc.constantFrom('both', 'after', 'joined'), (one, other, how) => {
        const after = how === 'both' ? `(${one}) && (${other})` : how === 'joined' ? `${one} && ${other}` : other
        const added = addedCondition(one, after)
        if (how === 'both') expect(added).toBeDefined()
        if (added === undefined) return
        const before = letsThrough(one)
        for (const call of letsThrough(after)) expect(before).toContain(call)
      }),
      { numRuns: 500 },
    )
  })

  it('is the same in any spelling of the same', () => {
    const added = addedCondition('args.a', '(args.a) && (args.b == "x")')
    expect(addedCondition(undefined, 'args.b=="x" // a comment')).toBe(added)
    expect(addedCondition('args.a', 'args.b == "x"  &&  args.a')).toBe(added)
    expect(addedCondition('args.a', 'args.a && args.b == "y"')).not.toBe(added)
  })

  it.each(['args.a ==', 'b"bytes" == args.a', ''])('is not told of what cannot be read: %j', (source) => {
    expect(addedCondition(undefined, source)).toBeUndefined()
    expect(addedCondition(source, `(${source}) && args.b`)).toBeUndefined()
  })
})
