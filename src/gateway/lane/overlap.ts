import { canonicalJson, type Json } from '../../core/json.ts'
import type { GraphqlRule, PathSegment, QueryParameter, RequestRule } from '../../core/types.ts'

/** Whether some request could match a rule of each. Pure; errs towards true, so that no two calls are confused on the wire. */
export function mayOverlap(left: readonly RequestRule[], right: readonly RequestRule[]): boolean {
  return left.some((one) => right.some((other) => rulesOverlap(one, other)))
}

function rulesOverlap(left: RequestRule, right: RequestRule): boolean {
  return (
    left.method === right.method &&
    left.origin === right.origin &&
    pathsOverlap(left.segments, right.segments) &&
    admitsWhatIsBound(left.query, right.query) &&
    admitsWhatIsBound(right.query, left.query) &&
    !headersPart(left.headers, right.headers) &&
    !bodiesPart(left, right) &&
    !formsPart(left.form, right.form) &&
    !graphqlParts(left.graphql, right.graphql)
  )
}

function pathsOverlap(left: readonly PathSegment[], right: readonly PathSegment[]): boolean {
  for (let index = 0; ; index += 1) {
    const [one, other] = [left[index], right[index]]
    if (one?.kind === 'rest' || other?.kind === 'rest') return true
    if (one === undefined || other === undefined) return one === other
    if (one.kind === 'literal' && other.kind === 'literal' && !literalsOverlap(one, other)) return false
  }
}

type Literal = PathSegment & { readonly kind: 'literal' }

function literalsOverlap(left: Literal, right: Literal): boolean {
  return left.value === right.value || ((left.ignoreCase || right.ignoreCase) && left.value.toLowerCase() === right.value.toLowerCase())
}

/** Whether a request with the parameters that `bound` demands could pass `admitting`, which refuses those it does not list. */
function admitsWhatIsBound(admitting: readonly QueryParameter[], bound: readonly QueryParameter[]): boolean {
  return bound.every(({ name, value = '' }) => {
    const other = admitting.find((known) => known.name === name)
    // What is bound to the empty text may be left out.
    return value === '' || (other !== undefined && (other.value === undefined || other.value === value))
  })
}

/** One header that each binds to another value. */
function headersPart(left: RequestRule['headers'] = {}, right: RequestRule['headers'] = {}): boolean {
  return Object.entries(left).some(([name, value]) => Object.hasOwn(right, name) && right[name] !== value)
}

/** One place of the body that each binds to another value. */
function bodiesPart(left: RequestRule, right: RequestRule): boolean {
  return (left.body ?? []).some((field) =>
    (right.body ?? []).some((other) => other.pointer === field.pointer && differ(field.value, other.value)),
  )
}

/** A form that holds what the one demands is refused by the other. */
function formsPart(left: RequestRule['form'], right: RequestRule['form']): boolean {
  return left !== undefined && right !== undefined && !(admitsWhatIsBound(left, right) && admitsWhatIsBound(right, left))
}

/** A query is no mutation, and a variable has one value. Other root fields do not part two rules: both admit `__typename`. */
function graphqlParts(left: GraphqlRule | undefined, right: GraphqlRule | undefined): boolean {
  if (left === undefined || right === undefined) return false
  return (
    left.operation !== right.operation ||
    Object.entries(left.variables).some(([name, value]) => {
      const other = Object.hasOwn(right.variables, name) ? right.variables[name] : undefined
      return other !== undefined && differ(value, other)
    })
  )
}

function differ(left: Json, right: Json): boolean {
  return canonicalJson(left) !== canonicalJson(right)
}
