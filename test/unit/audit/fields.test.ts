import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fieldsJson } from '../../../src/audit/fields.ts'
import { deepFreeze, type JsonObject } from '../../../src/core/json.ts'

const names = fc.constantFrom('type', 'principal', 'decision', 'scope', 'lease', 'arguments', 'took')
const values = fc.oneof(fc.constant(undefined), fc.double(), fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 }))

describe('the JSON of a record', () => {
  it('is what JSON.stringify makes of it, also when its objects were seen before', () => {
    fc.assert(
      fc.property(fc.dictionary(names, values, { noNullPrototype: true }), (fields) => {
        for (const [, value] of Object.entries(fields)) if (typeof value === 'object') deepFreeze(value as JsonObject)
        expect(fieldsJson(fields)).toBe(JSON.stringify(fields))
        expect(fieldsJson({ ...fields })).toBe(JSON.stringify(fields))
      }),
    )
  })

  it('follows an object that changed', () => {
    const scope = { repository: 'web' }
    expect(fieldsJson({ scope })).toBe('{"scope":{"repository":"web"}}')
    scope.repository = 'api'
    expect(fieldsJson({ scope })).toBe('{"scope":{"repository":"api"}}')
  })

  it('is given up on when it is nested beyond the stack', () => {
    let nested: object = {}
    for (let depth = 0; depth < 200_000; depth += 1) nested = { nested }
    expect(fieldsJson({ detail: nested })).toBeUndefined()
  })
})
