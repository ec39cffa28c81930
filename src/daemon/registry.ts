import type { Clock } from '../core/clock.ts'
import { randomAlphanumeric } from '../core/ids.ts'
import { JitError, quote } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import type { LoadedConfig } from '../config/types.ts'
import type { ProviderFacts } from '../policy/types.ts'
import type { Provider, ProviderPlugin } from '../provider/contract.ts'

export interface RegistryDeps {
  readonly plugins: readonly ProviderPlugin[]
  readonly clock: Clock
  readonly log: Logger
  fetch(): typeof globalThis.fetch
}

/** The registered providers, opened, with their secrets in memory while the store is open. */
export class Registry {
  readonly #deps: RegistryDeps
  readonly #open = new Map<string, { plugin: ProviderPlugin; provider: Provider; entry: JsonObject }>()
  readonly #secrets = new Map<string, ReadonlyMap<string, Secret>>()

  constructor(deps: RegistryDeps) {
    this.#deps = deps
  }

  plugin(kind: string): ProviderPlugin {
    const found = this.#deps.plugins.find((plugin) => plugin.kind === kind)
    if (found === undefined)
      throw new JitError(
        'usage',
        `there is no kind of provider ${quote(kind)}; there is ${this.#deps.plugins.map((plugin) => plugin.kind).join(', ')}`,
      )
    return found
  }

  get kinds(): readonly ProviderPlugin[] {
    return this.#deps.plugins
  }

  /** The providers of a config, opened anew; those before are closed. */
  use(loaded: LoadedConfig): void {
    for (const { provider } of this.#open.values()) void provider.close?.()
    this.#open.clear()
    for (const [name, entry] of Object.entries(loaded.config.providers))
      this.#open.set(name, { ...this.make(name, entry), entry: entry as JsonObject })
  }

  /** Opens one without keeping it: to prove a registration, and to compile a policy. */
  make(
    name: string,
    entry: Readonly<Record<string, unknown>>,
    secrets?: ReadonlyMap<string, Secret>,
  ): { plugin: ProviderPlugin; provider: Provider } {
    const { kind, ...config } = entry
    const plugin = this.plugin(String(kind))
    const secret = (field: string): Secret => {
      const found = (secrets ?? this.#secrets.get(name))?.get(field)
      if (found === undefined)
        throw new JitError(
          this.#secrets.size === 0 && secrets === undefined ? 'store.sealed' : 'provider.login',
          `provider ${quote(name)} has no ${field}`,
        )
      return found
    }
    return {
      plugin,
      provider: plugin.open(plugin.config.parse(config), {
        name,
        clock: this.#deps.clock,
        log: this.#deps.log,
        fetch: (...args) => this.#deps.fetch()(...args),
        secret,
      }),
    }
  }

  facts(loaded: LoadedConfig): ReadonlyMap<string, ProviderFacts> {
    return new Map(
      Object.entries(loaded.config.providers).map(([name, entry]) => {
        const { plugin, provider } = this.make(name, entry)
        return [
          name,
          {
            kind: plugin.kind,
            origin: provider.origin,
            parseScope: (scope: JsonObject) => parseScope(plugin, scope),
            checkField: (path: string, value: string) => plugin.checkField(path, value),
          },
        ]
      }),
    )
  }

  get(name: string): Provider | undefined {
    return this.#open.get(name)?.provider
  }

  entries(): { name: string; plugin: ProviderPlugin; provider: Provider; secrets: string[] }[] {
    return [...this.#open].map(([name, { plugin, provider }]) => ({
      name,
      plugin,
      provider,
      secrets: [...(this.#secrets.get(name)?.keys() ?? [])],
    }))
  }

  placeholder(name: string): string {
    return this.#open.get(name)?.plugin.placeholder(randomAlphanumeric(80)) ?? ''
  }

  setSecrets(name: string, secrets: ReadonlyMap<string, Secret>): void {
    this.#secrets.set(name, secrets)
  }

  dropSecrets(name?: string): void {
    if (name === undefined) this.#secrets.clear()
    else this.#secrets.delete(name)
  }
}

function parseScope(plugin: ProviderPlugin, scope: JsonObject): JsonObject {
  const parsed = plugin.scope.safeParse(scope)
  if (!parsed.success)
    throw new JitError('provider.scope', `not a scope of ${plugin.kind}: ${quote(scope)}`, {
      hint: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
    })
  return parsed.data
}
