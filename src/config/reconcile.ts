import { type Document, isMap, isScalar, isSeq, type Node, type YAMLMap, type YAMLSeq } from 'yaml'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../core/json.ts'

export interface Reconciliation {
  readonly document: Document
  /** A node for what is new, laid out as people write it. */
  make(value: Json): Node
}

/** Makes a map say what is wanted, and leaves everything in it that says so already as it was written, comments too. */
export function reconcileMap(map: YAMLMap, wanted: JsonObject, how: Reconciliation): void {
  for (const key of keysOf(map)) if (!Object.hasOwn(wanted, key)) map.delete(key)
  for (const [key, value] of Object.entries(wanted)) {
    const node: unknown = map.get(key, true)
    if (says(node, value, how)) continue
    if (isMap(node) && isJsonObject(value)) reconcileMap(node, value, how)
    else if (isSeq(node) && isList(value)) reconcileList(node, value, how)
    else map.set(key, typeof value === 'object' && value !== null ? how.make(value) : value)
  }
}

/** Items stay where they are; those that are gone are taken out, those that are new come last. Another order is written anew. */
function reconcileList(list: YAMLSeq, wanted: readonly Json[], how: Reconciliation): void {
  if (list.items.length === wanted.length && wanted.every(isJsonObject) && list.items.every((item) => isMap(item))) {
    for (const [index, value] of wanted.entries()) {
      const item = list.items[index]
      if (isMap(item)) reconcileMap(item, value, how)
    }
    return
  }
  for (let index = list.items.length - 1; index >= 0; index -= 1)
    if (!wanted.some((value) => says(list.items[index], value, how))) list.delete(index)
  for (const value of wanted) if (!list.items.some((item) => says(item, value, how))) list.add(how.make(value))
  const same = list.items.length === wanted.length && wanted.every((value, index) => says(list.items[index], value, how))
  if (!same) list.items = wanted.map((value) => how.make(value))
}

function says(node: unknown, value: Json, { document }: Reconciliation): boolean {
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return false
  const said: Json = node.toJS(document)
  return canonicalJson(said) === canonicalJson(value)
}

function keysOf(map: YAMLMap): string[] {
  return map.items.flatMap(({ key }) => (isScalar(key) ? [String(key.value)] : [String(key)]))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
