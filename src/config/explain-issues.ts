import { z } from 'zod'
import { quote } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import type { ConfigPath, ProblemList } from './problems.ts'

type Issue = z.core.$ZodIssue

/**
 * Says in words what a schema found wrong with `value`, which stands at `base` in the file. `schema` is asked only for the
 * names that would have been right.
 */
export function explainIssues(error: z.ZodError, schema: z.ZodType, value: unknown, problems: ProblemList, base: ConfigPath = []): void {
  for (const issue of error.issues) explain(issue, [])

  function explain(issue: Issue, outer: ConfigPath): void {
    const inner = [...outer, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
    const path = [...base, ...inner]
    switch (issue.code) {
      case 'unrecognized_keys':
        for (const key of issue.keys)
          problems.add([...path, key], `${quote(key, 80)} is not an option here`, nearest(key, keysAt(schema, inner)))
        return
      case 'invalid_union': {
        const branch = closestBranch(issue.errors)
        const deep = branch.filter((found) => found.path.length > 0 || found.code === 'unrecognized_keys')
        if (deep.length > 0) for (const found of deep) explain(found, inner)
        else problems.add(path, `${expectation(issue.errors)}, not ${kindOf(valueAt(value, inner))}`)
        return
      }
      case 'invalid_key':
        problems.add(path, issue.issues.map((found) => plain(found.message)).join('; '))
        return
      case 'invalid_value': {
        const found = valueAt(value, inner)
        const allowed = issue.values.map((allowedValue) => quote(allowedValue, 60)).join(', ')
        const close = typeof found === 'string' ? nearest(found, issue.values.map(String)) : undefined
        problems.add(
          path,
          found === undefined
            ? `is missing: ${issue.values.length > 1 ? `one of ${allowed}` : `write \`${String(path.at(-1))}: ${allowed}\``}`
            : `must be ${issue.values.length > 1 ? 'one of ' : ''}${allowed}, not ${shown(found)}`,
          close,
        )
        return
      }
      case 'invalid_type': {
        if (!isOwnWord(issue.message)) return problems.add(path, issue.message)
        const found = valueAt(value, inner)
        problems.add(
          path,
          found === undefined ? `is missing: ${article(issue.expected)}` : `must be ${article(issue.expected)}, not ${kindOf(found)}`,
        )
        return
      }
      default:
        problems.add(path, plain(issue.message))
    }
  }
}

/** The branch that got furthest into the value; of equals, the one with the fewest complaints. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (branch: readonly Issue[]): number =>
    Math.max(0, ...branch.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)))
  const [best = []] = branches.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)
  return best
}

function expectation(branches: readonly (readonly Issue[])[]): string {
  const wanted = new Set<string>()
  for (const issue of branches.flat()) {
    if (issue.code === 'invalid_type') wanted.add(article(issue.expected))
    else if (issue.code === 'invalid_value') wanted.add(issue.values.map((value) => quote(value, 60)).join(' or '))
    else wanted.add(plain(issue.message))
  }
  return `must be ${[...wanted].join(' or ')}`
}

const words: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

function article(expected: string): string {
  return words[expected] ?? expected
}

/** In words of the config file. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  return article(Array.isArray(value) ? 'array' : typeof value)
}

/** Whether the schema library said it, and not one of our schemas. */
function isOwnWord(message: string): boolean {
  return message.startsWith('Invalid input')
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? kindOf(value) : quote(value, 60)
}

function plain(message: string): string {
  const text = message.replace(/^Invalid input: /, '')
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  let found: unknown = value
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined
    found = Reflect.get(found, step)
  }
  return found
}

const jsonSchemaNode = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
})
type JsonSchemaNode = z.infer<typeof jsonSchemaNode>
const described = new WeakMap<z.ZodType, JsonSchemaNode>()

/** Names that a map at this path of the schema may have. */
export function keysAt(schema: z.ZodType, path: ConfigPath): string[] {
  let nodes = alternatives(describe(schema))
  for (const step of path) {
    nodes = nodes.flatMap((node) => {
      const next = typeof step === 'number' ? node.items : (node.properties?.[step] ?? node.additionalProperties)
      const parsed = jsonSchemaNode.safeParse(next)
      return parsed.success ? alternatives(parsed.data) : []
    })
  }
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))]
}

function alternatives(node: JsonSchemaNode): JsonSchemaNode[] {
  const branches = (node.anyOf ?? []).flatMap((branch) => {
    const parsed = jsonSchemaNode.safeParse(branch)
    return parsed.success ? alternatives(parsed.data) : []
  })
  return [node, ...branches]
}

function describe(schema: z.ZodType): JsonSchemaNode {
  const known = described.get(schema)
  if (known !== undefined) return known
  const made = jsonSchemaNode.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
  described.set(schema, made)
  return made
}
