import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'

/** A line that jit wrote or has read before: JSON, of an object. */
export function parseLine(line: string): JsonObject {
  const value: unknown = JSON.parse(line)
  return isJsonObject(value) ? value : {}
}

/** The params of a message; empty when it has none. */
export function paramsOf({ params }: JsonObject): JsonObject {
  return isJsonObject(params) ? params : {}
}

/** `_meta` of params or of a result; empty when there is none. */
export function metaOf(holder: Json | undefined): JsonObject {
  const meta = isJsonObject(holder) ? holder['_meta'] : undefined
  return isJsonObject(meta) ? meta : {}
}

/** The message with other values of some of its `params`, as a line. */
export function withParams(value: JsonObject, change: Readonly<Record<string, Json>>): string {
  return JSON.stringify({ ...value, params: { ...paramsOf(value), ...change } })
}
