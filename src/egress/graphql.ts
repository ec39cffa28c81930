import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionNode,
  type ValueNode,
} from 'graphql/language'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { GraphqlRule } from '../core/types.ts'

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>

const tokenCap = 5000

/**
 * Whether the body of a GraphQL request is one operation of the rule's kind, selects only the rule's root fields (also through
 * fragments; an alias does not rename a field), and gives each bound variable its value. Where the rule binds variables, each
 * of them must be used below every root field, and no argument at any depth may come from elsewhere: left out, a variable
 * could be the filter that narrows the answer, and a literal or a free variable could name another object. What only pages
 * through a result (`first`, `after`) and what only chooses among fixed values (booleans, enums) is free. Batches, persisted
 * queries and several operations are refused. Errs towards false.
 */
export function matchGraphql(rule: GraphqlRule, body: Json): boolean {
  try {
    return judge(rule, body)
  } catch {
    return false
  }
}

function judge(rule: GraphqlRule, body: Json): boolean {
  if (!isJsonObject(body) || !Object.keys(body).every((key) => members.has(key)) || typeof body['query'] !== 'string') return false
  const document = parse(body['query'], { maxTokens: tokenCap, noLocation: true })
  const operation = onlyOperation(document)
  if (operation?.operation !== rule.operation) return false
  const name = body['operationName'] ?? ''
  if (name !== '' && name !== operation.name?.value) return false
  const variables = body['variables'] ?? {}
  if (!isJsonObject(variables)) return false
  const fragments = fragmentsOf(document)
  const fields = fieldsIn(operation.selectionSet.selections, fragments, false)
  return (
    fields.length > 0 &&
    fields.every((field) => admits(rule, field, fragments)) &&
    Object.entries(rule.variables).every(([key, value]) => has(variables, key, value))
  )
}

const members = new Set(['query', 'variables', 'operationName'])

/** Arguments that move within a result and cannot name another one. */
const paging = new Set(['first', 'last', 'before', 'after'])

function onlyOperation({ definitions }: DocumentNode): OperationDefinitionNode | undefined {
  const operations = definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  const others = definitions.some(
    (definition) => definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION,
  )
  return operations.length === 1 && !others ? operations[0] : undefined
}

/** Throws when two fragments share a name: which one counts is the upstream's choice. */
function fragmentsOf({ definitions }: DocumentNode): Fragments {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of definitions) {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) continue
    if (fragments.has(definition.name.value)) throw new Error('two fragments of one name')
    fragments.set(definition.name.value, definition)
  }
  return fragments
}

/**
 * Fields of a selection, those in fragments too; `deep`: and all below them. Each fragment is looked into once: spread often, it
 * selects the same, and a document that spreads fragments in fragments would unfold without end. Throws for one that is missing.
 */
function fieldsIn(selections: readonly SelectionNode[], fragments: Fragments, deep: boolean): FieldNode[] {
  const fields: FieldNode[] = []
  const seen = new Set<string>()
  const waiting = [...selections]
  for (let selection = waiting.pop(); selection !== undefined; selection = waiting.pop()) {
    if (selection.kind === Kind.FIELD) {
      fields.push(selection)
      if (deep) waiting.push(...(selection.selectionSet?.selections ?? []))
    } else if (selection.kind === Kind.INLINE_FRAGMENT) waiting.push(...selection.selectionSet.selections)
    else if (!seen.has(selection.name.value)) {
      const fragment = fragments.get(selection.name.value)
      if (fragment === undefined) throw new Error('a fragment that is missing')
      seen.add(selection.name.value)
      waiting.push(...fragment.selectionSet.selections)
    }
  }
  return fields
}

function admits(rule: GraphqlRule, root: FieldNode, fragments: Fragments): boolean {
  if (root.name.value === '__typename') return true
  if (!rule.fields.includes(root.name.value)) return false
  const bound = new Set(Object.keys(rule.variables))
  if (bound.size === 0) return true
  const used = new Set<string>()
  const values = fieldsIn([root], fragments, true)
    .flatMap((field) => field.arguments ?? [])
    .filter((argument) => !paging.has(argument.name.value))
    .map((argument) => argument.value)
  return values.every((value) => isBound(bound, value, used)) && used.size === bound.size
}

/** Whether a value comes from bound variables alone; those it comes from are added to `used`. */
function isBound(bound: ReadonlySet<string>, value: ValueNode, used: Set<string>): boolean {
  switch (value.kind) {
    case Kind.VARIABLE:
      used.add(value.name.value)
      return bound.has(value.name.value)
    case Kind.BOOLEAN:
    case Kind.ENUM:
    case Kind.NULL:
      return true
    case Kind.LIST:
      return value.values.every((item) => isBound(bound, item, used))
    case Kind.OBJECT:
      return value.fields.every((field) => isBound(bound, field.value, used))
    default:
      return false
  }
}

function has(variables: JsonObject, key: string, value: Json): boolean {
  const given = Object.hasOwn(variables, key) ? variables[key] : undefined
  return given !== undefined && canonicalJson(given) === canonicalJson(value)
}
