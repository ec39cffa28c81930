import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { quote } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { type Budget, findReads, type Read, spend } from './condition-reads.ts'
import { compilePattern, type Pattern } from './pattern.ts'
import { Refusal, RuleError } from './refusal.ts'

/** A compiled `when`. */
export interface Condition {
  readonly reads: readonly Read[]
  /** Throws Refusal when it cannot be evaluated, or would have to read too much. */
  holds(args: JsonObject): boolean
}

/** What one evaluation may read; with a loop in a loop the product counts. */
const budgets: readonly Budget[] = [
  { values: 2000, characters: 64 * 1024 },
  { values: 2000, characters: 64 * 1024 },
  { values: 200, characters: 1024 },
]

/** Characters times pattern steps that `matches` may spend in one evaluation: a worst case of some 100 ms. */
const matchingFuel = 2_000_000

export const conditionLimits = { maxAstNodes: 1000, maxDepth: 50, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 16 }

/**
 * Compiles CEL over `args`. The library's own `matches` runs on a backtracking engine (28 characters kept `^(a+)+$` busy for
 * eight seconds), so it is replaced by one whose time is linear, and its pattern must stand in the expression itself.
 */
export function createConditions(): (source: string) => Condition {
  const patterns = new Map<string, Pattern>()
  let fuel = 0
  const environment = new Environment({ limits: conditionLimits })
    .registerVariable('args', 'map')
    .registerFunction('string.matchesLinearly(string): bool', (text: unknown, pattern: unknown) => {
      const compiled = patterns.get(String(pattern))
      if (compiled === undefined || typeof text !== 'string') throw new Error('matches() has no compiled pattern')
      fuel -= compiled.steps * (text.length + 1)
      if (fuel < 0) throw new Error('matches() would have to read too much')
      return compiled.test(text)
    })

  return (source) => {
    const ast = parse(source).ast
    const { reads, loops } = findReads(ast)
    const program = parse(replaceMatches(source, ast, (pattern) => patterns.set(pattern, compilePattern(pattern))))
    if (methodCalls(program.ast).some((call) => call.name === 'matches'))
      throw new RuleError('matches() stands where it cannot be made safe')
    const check = program.check()
    if (!check.valid) throw new RuleError(`the condition is wrong: ${summary(check.error)}`)
    if (check.type !== 'bool' && check.type !== 'dyn')
      throw new RuleError(`the condition gives a ${check.type ?? 'value'}, not true or false`)
    const allowance = budgets[loops] ?? { values: 0, characters: 0 }
    return {
      reads,
      holds(args) {
        const budget = { ...allowance }
        for (const read of reads) spend(budget, args, read)
        fuel = matchingFuel
        const result = evaluate(program, args)
        if (typeof result !== 'boolean') throw new Refusal('the condition gives no true or false for this call', 'when')
        return result
      },
    }
  }

  function parse(source: string): ReturnType<Environment['parse']> {
    try {
      return environment.parse(source)
    } catch (error) {
      throw new RuleError(`the condition is not CEL: ${summary(error)}`)
    }
  }
}

function evaluate(program: ReturnType<Environment['parse']>, args: JsonObject): unknown {
  try {
    return program({ args })
  } catch (error) {
    throw new Refusal(`the condition cannot be evaluated for this call: ${summary(error)}`, 'when')
  }
}

/** Renames each `matches` call to the linear one, after its pattern was compiled. */
function replaceMatches(source: string, ast: ASTNode, compile: (pattern: string) => void): string {
  let text = source
  const calls = methodCalls(ast)
  if (calls.some((call) => call.name === 'matchesLinearly'))
    throw new RuleError('the condition is wrong: there is no function matchesLinearly')
  for (const call of calls.filter((found) => found.name === 'matches').toSorted((a, b) => b.patternAt - a.patternAt)) {
    const [pattern] = call.args
    if (pattern?.op !== 'value' || typeof pattern.args !== 'string')
      throw new RuleError('matches() needs its pattern as a text in the condition itself')
    compile(pattern.args)
    const at = source.lastIndexOf('matches', pattern.range.start)
    if (at < call.start || !/^[\s(]*$/.test(source.slice(at + 'matches'.length, pattern.range.start))) {
      throw new RuleError('matches() must be followed by its pattern at once, without a comment')
    }
    text = `${text.slice(0, at)}matchesLinearly${text.slice(at + 'matches'.length)}`
  }
  return text
}

interface MethodCall {
  readonly name: string
  readonly start: number
  readonly patternAt: number
  readonly args: readonly ASTNode[]
}

function methodCalls(node: ASTNode): MethodCall[] {
  const own: MethodCall[] =
    node.op === 'rcall'
      ? [{ name: node.args[0], start: node.args[1].range.start, patternAt: node.args[2][0]?.range.start ?? 0, args: node.args[2] }]
      : []
  return [...own, ...parts(node).flatMap(methodCalls)]
}

function parts(node: ASTNode): ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'list':
      return node.args
    case 'map':
      return node.args.flat()
    case '!_':
    case '-_':
      return [node.args]
    default:
      return [...node.args]
  }
}

/** The first line of what the library says, without its drawing of the source. */
function summary(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const [line = ''] = message.split('\n')
  return quote(line, 160).slice(1, -1)
}
