import {
  type ConstArgumentNode,
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { GraphqlRule } from '../core/types.ts'

const tokenCap = 5000

/**
 * Whether the body of a GraphQL request is one operation of the rule's kind, selects only the rule's root fields (also through
 * fragments; an alias does not rename a field), and gives each bound variable its value. Where the rule binds variables, the
 * arguments of root fields must come from them: a literal or a free variable could name another object. What only pages
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
  const fields = rootFields(operation.selectionSet, fragmentsOf(document), new Set())
  return fields.every((field) => admits(rule, field)) && Object.entries(rule.variables).every(([key, value]) => has(variables, key, value))
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
function fragmentsOf({ definitions }: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of definitions) {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) continue
    if (fragments.has(definition.name.value)) throw new Error('two fragments of one name')
    fragments.set(definition.name.value, definition)
  }
  return fragments
}

/** Fields at the root, those in fragments there too. Throws for a fragment that is missing or contains itself. */
function rootFields(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>, open: ReadonlySet<string>): FieldNode[] {
  return set.selections.flatMap((selection) => {
    switch (selection.kind) {
      case Kind.FIELD:
        return [selection]
      case Kind.INLINE_FRAGMENT:
        return rootFields(selection.selectionSet, fragments, open)
      case Kind.FRAGMENT_SPREAD: {
        const name = selection.name.value
        const fragment = fragments.get(name)
        if (fragment === undefined || open.has(name)) throw new Error('a fragment that is missing or contains itself')
        return rootFields(fragment.selectionSet, fragments, new Set([...open, name]))
      }
    }
  })
}

function admits(rule: GraphqlRule, field: FieldNode): boolean {
  if (field.name.value === '__typename') return true
  if (!rule.fields.includes(field.name.value)) return false
  const bound = rule.variables
  return Object.keys(bound).length === 0 || (field.arguments ?? []).every((argument) => isBound(bound, argument))
}

function isBound(bound: JsonObject, argument: ArgumentNode | ConstArgumentNode): boolean {
  return paging.has(argument.name.value) || isBoundValue(bound, argument.value)
}

function isBoundValue(bound: JsonObject, value: ValueNode): boolean {
  switch (value.kind) {
    case Kind.VARIABLE:
      return Object.hasOwn(bound, value.name.value)
    case Kind.BOOLEAN:
    case Kind.ENUM:
    case Kind.NULL:
      return true
    case Kind.LIST:
      return value.values.every((item) => isBoundValue(bound, item))
    case Kind.OBJECT:
      return value.fields.every((field) => isBoundValue(bound, field.value))
    default:
      return false
  }
}

function has(variables: JsonObject, key: string, value: Json): boolean {
  const given = Object.hasOwn(variables, key) ? variables[key] : undefined
  return given !== undefined && canonicalJson(given) === canonicalJson(value)
}
