import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml'
import { quote } from '../core/errors.ts'
import { configError } from './problems.ts'
import type { ConfigProblem, SourceMap } from './types.ts'

const maxBytes = 1024 * 1024
/** Aliases may repeat a piece of config; nested ones multiply, so their product is bounded too (yaml's maxAliasCount). */
const maxAliases = 64
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

export interface YamlSource {
  readonly value: unknown
  readonly source: SourceMap
}

/**
 * Reads one YAML 1.2 document strictly: string keys, each once; no tags, few aliases, 1 MiB at most.
 * Throws JitError `config.invalid` with the position of each problem.
 */
export function readYaml(file: string, text: string): YamlSource {
  if (Buffer.byteLength(text) > maxBytes) throw configError([problem(file, 1, 1, 'the file is larger than 1 MiB')])
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: true,
      stringKeys: true,
      merge: false,
      strict: true,
    })
    const problems = [...syntaxProblems(file, text, document, lines), ...contentProblems(file, document, lines)]
    if (problems.length > 0) throw configError(problems)
    return { value: document.toJS({ maxAliasCount: maxAliases }), source: createSourceMap(document, lines) }
  } catch (error) {
    // yaml recurses on nesting and counts aliases while converting: both end here.
    if (error instanceof RangeError) throw configError([problem(file, 1, 1, 'the file is nested too deeply')])
    if (error instanceof ReferenceError) throw configError([problem(file, 1, 1, 'the file has too many aliases')])
    throw error
  }
}

function syntaxProblems(file: string, text: string, document: Document.Parsed, lines: LineCounter): ConfigProblem[] {
  return [...document.errors, ...document.warnings].slice(0, 20).map((error) => {
    const { line, col } = lines.linePos(error.pos[0])
    const message =
      error.code === 'DUPLICATE_KEY' ? `the key ${quote(wordAt(text, error.pos[0]))} stands here twice` : firstLower(error.message)
    return problem(file, line, col, message)
  })
}

function contentProblems(file: string, document: Document.Parsed, lines: LineCounter): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  let aliases = 0
  const at = (node: Node | null | undefined, message: string): void => {
    const { line, col } = lines.linePos(node?.range?.[0] ?? 0)
    problems.push(problem(file, line, col, message))
  }
  visit(document, {
    Alias(_, node) {
      aliases += 1
      if (aliases === maxAliases + 1) at(node, `more than ${maxAliases} aliases`)
    },
    Pair(_, pair) {
      if (isScalar(pair.key) && forbiddenKeys.has(String(pair.key.value))) at(pair.key, `the key ${quote(pair.key.value)} is not allowed`)
    },
  })
  return problems
}

function createSourceMap(document: Document.Parsed, lines: LineCounter): SourceMap {
  return {
    locate(path) {
      let node: unknown = document.contents
      let offset = isNode(node) ? node.range?.[0] : undefined
      for (const step of path) {
        const resolved: unknown = isAlias(node) ? node.resolve(document) : node
        if (isMap(resolved)) {
          const pair = resolved.items.find((item: Pair) => isScalar(item.key) && item.key.value === String(step))
          if (pair === undefined || !isScalar(pair.key)) return undefined
          offset = pair.key.range?.[0]
          node = pair.value
        } else if (isSeq(resolved) && typeof step === 'number' && step < resolved.items.length) {
          node = resolved.items[step]
          offset = isNode(node) ? node.range?.[0] : undefined
        } else return undefined
      }
      if (offset === undefined) return undefined
      const { line, col } = lines.linePos(offset)
      return { line, column: col }
    },
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'range' in value
}

function wordAt(text: string, offset: number): string {
  return /^["']?([^\s:"',{}[\]]*)/.exec(text.slice(offset, offset + 80))?.[1] ?? ''
}

function firstLower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function problem(file: string, line: number, column: number, message: string): ConfigProblem {
  return { file, line, column, path: '', message }
}
