import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'

/** An argument that is to be seen in a header as well. */
export interface ParameterHeader {
  /** As the schema spells it, without `Mcp-Param-`. */
  readonly name: string
  /** Keys from the arguments down to the value. */
  readonly path: readonly string[]
}

const annotation = 'x-mcp-header'
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/
const toolCap = 10_000
/** Characters of a tool's name; longer ones are not remembered. */
const nameCap = 1024
const headerCap = 64
const depthCap = 32
/** Characters of all that is remembered of one server's tools: its lists are read for as long as it likes. */
const sizeCap = 4 * 1024 * 1024
/** What each entry costs beside its characters. */
const overhead = 64

/**
 * Arguments that a tool wants repeated in headers (`x-mcp-header` in its input schema, 2026-07-28), as its server listed it
 * last, to whomever. They are for whoever stands between; the server compares them with the message, which alone counts.
 */
export class ToolHeaders {
  /** By the tool's name; empty for one that wants none. */
  readonly #tools = new Map<string, readonly ParameterHeader[]>()
  #size = 0

  /**
   * Takes note of an answer to `tools/list`; of several entries with one name the first counts, as it does in what clients get. Of a
   * tool that is too much to be remembered nothing is known.
   */
  learn(answer: JsonObject): void {
    const tools = isJsonObject(answer['result']) ? answer['result']['tools'] : undefined
    if (!Array.isArray(tools)) return
    const seen = new Set<string>()
    for (const tool of tools) {
      const name = isJsonObject(tool) ? tool['name'] : undefined
      if (!isJsonObject(tool) || typeof name !== 'string' || name.length > nameCap || seen.has(name)) continue
      seen.add(name)
      this.forget(name)
      const headers = headersIn(tool['inputSchema'])
      const size = sizeOf(name, headers)
      if (this.#tools.size >= toolCap || this.#size + size > sizeCap) continue
      this.#tools.set(name, headers)
      this.#size += size
    }
  }

  /** What it is to be called with is not known any more. */
  forget(tool: string): void {
    const headers = this.#tools.get(tool)
    if (headers === undefined) return
    this.#size -= sizeOf(tool, headers)
    this.#tools.delete(tool)
  }

  /** Of a tool that was listed; undefined when it was not. */
  wantedBy(tool: string): readonly ParameterHeader[] | undefined {
    return this.#tools.get(tool)
  }

  /** Names and values for a call; what it lacks, or what is no text, number or truth value, has none. */
  of(tool: string, args: Json | undefined): [name: string, value: string][] {
    return (this.#tools.get(tool) ?? []).flatMap(({ name, path }): [string, string][] => {
      const text = print(argumentAt(args, path))
      return text === undefined ? [] : [[name, text]]
    })
  }
}

/** What of the arguments stands at this path of a `ParameterHeader`; undefined where they have nothing of their own. */
export function argumentAt(args: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, key) => (isJsonObject(at) && Object.hasOwn(at, key) ? at[key] : undefined), args)
}

function sizeOf(tool: string, headers: readonly ParameterHeader[]): number {
  const one = ({ name, path }: ParameterHeader): number => path.reduce((sum, key) => sum + key.length + overhead, name.length + overhead)
  return headers.reduce((sum, header) => sum + one(header), tool.length + overhead)
}

function print(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  return typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value)) ? String(value) : undefined
}

/** Of one schema, in its order; a name that stands there twice counts for nothing, since nobody knows which is meant. */
function headersIn(schema: Json | undefined): ParameterHeader[] {
  const found: ParameterHeader[] = []
  walk(schema, [], found)
  const count = new Map<string, number>()
  for (const { name } of found) count.set(name.toLowerCase(), (count.get(name.toLowerCase()) ?? 0) + 1)
  return found.filter(({ name }) => count.get(name.toLowerCase()) === 1)
}

/** Only by way of `properties`: elsewhere an annotation means nothing. */
function walk(schema: Json | undefined, path: readonly string[], found: ParameterHeader[]): void {
  if (!isJsonObject(schema) || path.length > depthCap || found.length >= headerCap) return
  const name = schema[annotation]
  if (typeof name === 'string' && token.test(name) && path.length > 0) found.push({ name, path })
  const properties = schema['properties']
  if (!isJsonObject(properties)) return
  for (const [key, child] of Object.entries(properties)) walk(child, [...path, key], found)
}
