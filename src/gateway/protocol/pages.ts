import { isJsonObject, type JsonObject } from '../../core/json.ts'

/** Far more than a server has. */
const pagesCap = 4096

/** Pages that tools show beside their results (MCP Apps): who may use the tool may read its page, `ui://…`. */
export class Pages {
  /** Address → the tools that name it. */
  readonly #tools = new Map<string, Set<string>>()

  /** A tool as it was listed. */
  listed(name: string, tool: JsonObject): void {
    for (const uri of pagesOf(tool)) {
      const known = this.#tools.get(uri)
      if (known !== undefined) known.add(name)
      else if (this.#tools.size < pagesCap) this.#tools.set(uri, new Set([name]))
    }
  }

  /** A tool that names this page, and may be used. */
  toolOf(uri: string, visible: (tool: string) => boolean): string | undefined {
    return [...(this.#tools.get(uri) ?? [])].find(visible)
  }

  clear(): void {
    this.#tools.clear()
  }
}

/** Under the key of the extension, and under the one of its first version. */
function pagesOf({ _meta: meta }: JsonObject): string[] {
  if (!isJsonObject(meta)) return []
  const { ui } = { ui: meta['ui'] }
  return [isJsonObject(ui) ? ui['resourceUri'] : undefined, meta['ui/resourceUri']].filter(
    (uri): uri is string => typeof uri === 'string' && uri.startsWith('ui://') && uri.length <= 2048,
  )
}
