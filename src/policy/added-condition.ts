import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { conditionLimits } from './condition.ts'

/**
 * What `after` demands of a call beside all that `before` does, in one spelling; undefined when something of `before` is missing in
 * it, or when it cannot be told. Both are sets of parts joined by `&&`: only then is every call that `after` lets through one that
 * `before` let through as well. What `before` demands must stand there in its order: a search that needs too much makes the parts behind
 * it fail, so another order is another condition. An absent one demands nothing.
 */
export function addedCondition(before: string | undefined, after: string | undefined): string | undefined {
  const [demanded, parts] = [partsOf(before), partsOf(after)]
  if (demanded === undefined || parts === undefined) return undefined
  const added: string[] = []
  let met = 0
  for (const part of parts) {
    if (part === demanded[met]) met += 1
    else added.push(part)
  }
  return met === demanded.length ? JSON.stringify(added.toSorted()) : undefined
}

function partsOf(source: string | undefined): string[] | undefined {
  if (source === undefined) return []
  try {
    const spelled = conjuncts(new Environment({ limits: conditionLimits }).parse(source).ast).map(spell)
    return spelled.every((one) => one !== undefined) ? spelled : undefined
  } catch {
    return undefined
  }
}

function conjuncts(node: ASTNode): ASTNode[] {
  return node.op === '&&' ? node.args.flatMap(conjuncts) : [node]
}

/** The expression without blanks, comments and brackets. Numbers keep their type: `1` is another value than `1.0`. */
function spell(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    const items = value.map(spell)
    return items.includes(undefined) ? undefined : `[${items.join(',')}]`
  }
  if (isNode(value)) {
    const args = spell(value.args)
    return args === undefined ? undefined : `{${JSON.stringify(value.op)}:${args}}`
  }
  if (typeof value === 'bigint') return `int ${value}`
  if (typeof value === 'number') return `double ${Object.is(value, -0) ? '-0' : value}`
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value)
  return undefined
}

function isNode(value: unknown): value is { readonly op: string; readonly args: unknown } {
  return typeof value === 'object' && value !== null && 'op' in value && typeof value.op === 'string' && 'args' in value
}
