import { parsePattern, type PatternNode } from './pattern-syntax.ts'
import { RuleError } from './refusal.ts'

/** A larger pattern is refused when it is compiled. */
const maxSteps = 400

export interface Pattern {
  /** Time for one text is at most this times its length. */
  readonly steps: number
  test(text: string): boolean
}

type Step =
  | { readonly op: 'one'; readonly test: (codePoint: number) => boolean }
  | { readonly op: 'start' | 'end' | 'match' }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'split'; first: number; second: number }

/**
 * A regular expression in RE2's common syntax whose time is linear in the text: all alternatives advance together, so that no
 * text from a call can make it backtrack. Back references, look-around and `\b` do not exist here. Finds the pattern anywhere
 * in the text, as CEL's `matches` does. Throws RuleError for what it cannot compile.
 */
export function compilePattern(source: string): Pattern {
  const program: Step[] = []
  emit(parsePattern(source), program)
  program.push({ op: 'match' })
  return { steps: program.length, test: (text) => run(program, text) }
}

function emit(node: PatternNode, program: Step[]): void {
  if (program.length > maxSteps) throw new RuleError('the regular expression is too large; repetition counts multiply')
  switch (node.kind) {
    case 'one':
      program.push({ op: 'one', test: node.test })
      return
    case 'start':
    case 'end':
      program.push({ op: node.kind })
      return
    case 'sequence':
      // An empty sequence is a step too, so that repeating nothing is bounded like everything else.
      if (node.parts.length === 0) program.push({ op: 'jump', to: program.length + 1 })
      for (const part of node.parts) emit(part, program)
      return
    case 'choice':
      emitChoice(node.options, program)
      return
    case 'repeat':
      for (let count = 0; count < node.min; count += 1) emit(node.part, program)
      if (node.max === Infinity) emitStar(node.part, program)
      else for (let count = node.min; count < node.max; count += 1) emitOptional(node.part, program)
  }
}

function emitChoice(options: readonly PatternNode[], program: Step[]): void {
  const jumps: { to: number }[] = []
  for (const [index, option] of options.entries()) {
    if (index === options.length - 1) {
      emit(option, program)
      continue
    }
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    program.push(split)
    emit(option, program)
    const jump = { op: 'jump' as const, to: 0 }
    program.push(jump)
    jumps.push(jump)
    split.second = program.length
  }
  for (const jump of jumps) jump.to = program.length
}

function emitStar(part: PatternNode, program: Step[]): void {
  const start = program.length
  const split = { op: 'split' as const, first: start + 1, second: 0 }
  program.push(split)
  emit(part, program)
  program.push({ op: 'jump', to: start })
  split.second = program.length
}

function emitOptional(part: PatternNode, program: Step[]): void {
  const split = { op: 'split' as const, first: program.length + 1, second: 0 }
  program.push(split)
  emit(part, program)
  split.second = program.length
}

function run(program: readonly Step[], text: string): boolean {
  let current = new Set<number>()
  let position = 0
  for (;;) {
    // A match may begin anywhere: the program starts anew at each character.
    if (follow(program, 0, position === 0, position >= text.length, current)) return true
    if (position >= text.length) return false
    const codePoint = text.codePointAt(position) ?? 0
    position += codePoint > 0xffff ? 2 : 1
    const next = new Set<number>()
    for (const index of current) {
      const step = program[index]
      if (step?.op === 'one' && step.test(codePoint) && follow(program, index + 1, false, position >= text.length, next)) return true
    }
    current = next
  }
}

/** Adds every step reachable without reading a character; true when the end of the pattern is among them. */
function follow(program: readonly Step[], from: number, atStart: boolean, atEnd: boolean, reached: Set<number>): boolean {
  const open = [from]
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (reached.has(index)) continue
    reached.add(index)
    const step = program[index]
    if (step === undefined) continue
    if (step.op === 'match') return true
    if (step.op === 'jump') open.push(step.to)
    else if (step.op === 'split') open.push(step.second, step.first)
    else if ((step.op === 'start' && atStart) || (step.op === 'end' && atEnd)) open.push(index + 1)
  }
  return false
}
