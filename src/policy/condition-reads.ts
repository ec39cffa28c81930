import type { ASTNode } from '@marcbachmann/cel-js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { maxArgumentLength } from './argument.ts'
import { everyItem, type Steps } from './reads.ts'
import { Refusal, RuleError } from './refusal.ts'

/**
 * What a condition reads of the arguments: `files`, every item, `path`. `all` reads the value and what is in it, `own` the value
 * or the number of its items, `presence` only whether it is there.
 */
export interface Read {
  readonly steps: Steps
  readonly depth: 'presence' | 'own' | 'all'
}

/** The macros whose first argument is a variable that takes each item of the list before the dot. */
const comprehensions = new Set(['all', 'exists', 'exists_one', 'filter', 'map'])

type Variables = ReadonlyMap<string, readonly string[] | undefined>

/**
 * What the expression reads, and how deeply its loops nest. Throws RuleError when it uses `args` as a whole, or more than two
 * loops within each other: then what it reads, or how long that takes, would be up to the caller.
 */
export function findReads(root: ASTNode): { readonly reads: readonly Read[]; readonly loops: number } {
  const reads: Read[] = []
  let loops = 0
  visit(root, new Map([['args', []]]), 0)
  if (loops > 2) throw new RuleError('more than two loops (all, exists, map, filter) within each other')
  return { reads, loops }

  function record(steps: readonly string[] | undefined, depth: Read['depth']): void {
    if (steps === undefined) return
    if (steps.length === 0) throw new RuleError('`args` as a whole cannot be read; name the argument: args.NAME')
    reads.push({ steps, depth })
  }

  /** The access path of the node, or undefined after its parts were visited. */
  function pathOf(node: ASTNode, variables: Variables, nesting: number): readonly string[] | undefined {
    if (node.op === 'id') return variables.get(node.args)
    if (node.op === '.' || node.op === '.?') {
      const [target, member] = node.args
      const steps = pathOf(target, variables, nesting)
      return steps === undefined ? undefined : [...steps, member]
    }
    if (node.op === '[]' || node.op === '[?]') {
      const [target, index] = node.args
      const steps = pathOf(target, variables, nesting)
      if (index.op === 'value' && steps !== undefined) return [...steps, typeof index.args === 'string' ? index.args : everyItem]
      visit(index, variables, nesting)
      record(steps, 'all')
      return undefined
    }
    visitParts(node, variables, nesting)
    return undefined
  }

  function visit(node: ASTNode, variables: Variables, nesting: number): void {
    record(pathOf(node, variables, nesting), 'all')
  }

  function visitParts(node: ASTNode, variables: Variables, nesting: number): void {
    switch (node.op) {
      case 'value':
      case 'id':
        return
      case 'call': {
        const [name, parts] = node.args
        for (const part of parts) record(pathOf(part, variables, nesting), name === 'has' ? 'presence' : name === 'size' ? 'own' : 'all')
        return
      }
      case 'rcall':
        visitMethod(node.args, variables, nesting)
        return
      case 'list':
        for (const item of node.args) visit(item, variables, nesting)
        return
      case 'map':
        for (const [key, value] of node.args) {
          visit(key, variables, nesting)
          visit(value, variables, nesting)
        }
        return
      case '!_':
      case '-_':
        visit(node.args, variables, nesting)
        return
      case '?:':
        for (const part of node.args) visit(part, variables, nesting)
        return
      case '.':
      case '.?':
      case '[]':
      case '[?]':
        return
      default:
        for (const part of node.args) visit(part, variables, nesting)
    }
  }

  function visitMethod(args: readonly [string, ASTNode, ASTNode[]], variables: Variables, nesting: number): void {
    const [name, receiver, parts] = args
    const [variable, ...rest] = parts
    if (comprehensions.has(name) && variable?.op === 'id') {
      const inside = isConstantList(receiver) ? nesting : nesting + 1
      loops = Math.max(loops, inside)
      const steps = pathOf(receiver, variables, nesting)
      // `filter` hands the items themselves on, so all of them counts as read.
      record(steps, name === 'filter' ? 'all' : 'own')
      const inner = new Map(variables).set(variable.args, steps === undefined ? undefined : [...steps, everyItem])
      for (const part of rest) visit(part, inner, inside)
      return
    }
    if (name === 'bind' && variable?.op === 'id') {
      const [value, body] = rest
      const steps = value === undefined ? undefined : pathOf(value, variables, nesting)
      if (body !== undefined) visit(body, new Map(variables).set(variable.args, steps), nesting)
      return
    }
    record(pathOf(receiver, variables, nesting), name === 'size' ? 'own' : 'all')
    for (const part of parts) visit(part, variables, nesting)
  }
}

/** A list that stands in the config: how long a loop over it takes is not up to the caller. */
function isConstantList(node: ASTNode): boolean {
  return node.op === 'list' && node.args.every((item) => item.op === 'value')
}

/** How much a condition may read in one call, so that the time it takes is bounded whatever the caller sends. */
export interface Budget {
  values: number
  characters: number
}

/** Refuses a call whose arguments hold more than a condition may read. */
export function spend(budget: Budget, args: JsonObject, read: Read): void {
  if (read.depth !== 'presence') walk(args, 0)

  function walk(value: Json | undefined, index: number): void {
    const step = read.steps[index]
    if (step === undefined) return measure(value, read.depth === 'all')
    if (step === everyItem) {
      for (const item of items(value)) walk(item, index + 1)
    } else if (isJsonObject(value) && Object.hasOwn(value, step)) walk(value[step], index + 1)
  }

  function measure(value: Json | undefined, deep: boolean): void {
    take(budget, 'values', 1)
    if (typeof value === 'string') {
      if (value.length > maxArgumentLength) throw refusal(`has ${value.length} characters; policy reads at most ${maxArgumentLength}`)
      take(budget, 'characters', value.length)
    } else if (deep) for (const item of items(value)) measure(item, true)
    else take(budget, 'values', items(value).length)
  }

  function take(from: Budget, what: keyof Budget, amount: number): void {
    from[what] -= amount
    if (from[what] < 0) throw refusal(`holds more ${what} than policy reads`)
  }

  function refusal(text: string): Refusal {
    return new Refusal(`${formatRead(read)} ${text}`, 'when')
  }
}

/** The values that the condition read, for the trail: at most `limit` of a list's. Undefined where there is none. */
export function collect(args: JsonObject, read: Read, limit: number): Json | undefined {
  if (read.depth === 'presence') return undefined
  const found = leaves(args, read.steps).filter((value) => typeof value !== 'object' || value === null)
  return read.steps.includes(everyItem) ? found.slice(0, limit) : found[0]
}

function leaves(value: Json | undefined, steps: readonly string[]): Json[] {
  const [step, ...rest] = steps
  if (value === undefined) return []
  if (step === undefined) return [value]
  if (step === everyItem) return items(value).flatMap((item) => leaves(item, rest))
  return isJsonObject(value) && Object.hasOwn(value, step) ? leaves(value[step], rest) : []
}

/** `files[].path` */
export function formatRead(read: Read): string {
  return read.steps.join('.').replaceAll(`.${everyItem}`, everyItem)
}

function items(value: Json | undefined): readonly Json[] {
  if (Array.isArray(value)) return value
  return isJsonObject(value) ? Object.values(value) : []
}
