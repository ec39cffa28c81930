import type { Clock } from '../core/clock.ts'
import { randomAlphanumeric } from '../core/ids.ts'
import { JitError, quote } from '../core/errors.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import type { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import type { Config } from '../config/schema.ts'
import type { StandIn } from '../gateway/types.ts'
import type { ProviderFacts } from '../policy/types.ts'
import type { Provider, ProviderHost, ProviderPlugin } from '../provider/contract.ts'

export interface RegistryDeps {
  readonly plugins: readonly ProviderPlugin[]
  readonly clock: Clock
  readonly log: Logger
  fetch(): typeof globalThis.fetch
  readonly principalToken: ProviderHost['principalToken']
  /** Seals a secret; the returned function stores it in place of the one of that name, and is called in the same turn. */
  seal(provider: string, field: string, secret: Secret): Promise<() => void>
  /** The store is sealed: that, and not a missing registration, is why a secret is not there. */
  isSealed(): boolean
}

type Secrets = ReadonlyMap<string, Secret>

/** One opening of a provider: its entry, and its own secrets, which outlive a registration that replaces it. */
export interface Opened {
  readonly name: string
  readonly plugin: ProviderPlugin
  readonly provider: Provider
  readonly entry: JsonObject
  readonly box: { secrets: Secrets | undefined }
}

/** The providers of a config that is not in force yet. */
export interface Opening {
  readonly facts: ReadonlyMap<string, ProviderFacts>
  /** They are the registered ones from here on; answers those that they replace or that are gone, for `close`. */
  enter(): readonly Opened[]
  discard(): void
}

/** The registered providers, opened, with their secrets in memory while the store is open. */
export class Registry {
  readonly #deps: RegistryDeps
  readonly #secrets = new Map<string, Secrets>()
  readonly #retired = new Set<Opened>()
  #open: ReadonlyMap<string, Opened> = new Map()

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

  /**
   * Opens what is new or changed in a config; what is as it was stays open, with its leases. Nothing is registered before
   * `enter`. `fresh`: secrets of a provider that is registered anew with it. Throws what a plugin's `open` throws.
   */
  prepare(providers: Config['providers'], fresh?: { readonly provider: string; readonly secrets: Secrets }): Opening {
    const next = new Map<string, Opened>()
    const opened: Opened[] = []
    const discard = (): void => {
      for (const one of opened.splice(0)) this.close(one)
    }
    try {
      for (const [name, entry] of Object.entries(providers)) {
        const known = this.#open.get(name)
        const same = known !== undefined && fresh?.provider !== name && canonicalJson(known.entry) === canonicalJson(toJson(entry))
        const one = same ? known : this.open(name, entry, fresh?.provider === name ? fresh.secrets : this.#secrets.get(name))
        if (!same) opened.push(one)
        next.set(name, one)
      }
    } catch (error) {
      discard()
      throw error
    }
    return {
      facts: new Map([...next].map(([name, one]) => [name, factsOf(one)])),
      enter: () => {
        const replaced = [...this.#open.values()].filter((one) => next.get(one.name) !== one)
        for (const one of replaced) this.#retired.add(one)
        for (const { name } of replaced) if (!next.has(name)) this.#secrets.delete(name)
        this.#open = next
        if (fresh !== undefined && next.has(fresh.provider)) this.#secrets.set(fresh.provider, fresh.secrets)
        return replaced
      },
      discard,
    }
  }

  /** Opens one without registering it; the caller closes it. */
  open(name: string, entry: Readonly<Record<string, unknown>>, secrets: Secrets | undefined): Opened {
    const { kind, ...config } = entry
    const plugin = this.plugin(String(kind))
    const box: Opened['box'] = { secrets }
    const provider = plugin.open(plugin.config.parse(config), this.hostOf(name, box))
    return { name, plugin, provider, entry: toJson(entry), box }
  }

  /** What a provider of this name is given, with the secrets that are in the box. */
  hostOf(name: string, box: Opened['box']): ProviderHost {
    const open = (field: string): Secrets | undefined => {
      if (box.secrets === undefined && this.#deps.isSealed()) throw new JitError('store.sealed', `provider ${quote(name)} has no ${field}`)
      return box.secrets
    }
    return {
      name,
      clock: this.#deps.clock,
      log: this.#deps.log,
      fetch: (...args) => this.#deps.fetch()(...args),
      secret(field) {
        const found = open(field)?.get(field)
        if (found === undefined) throw new JitError('provider.login', `provider ${quote(name)} has no ${field}`)
        return found
      },
      hasSecret: (field) => open(field)?.has(field) ?? false,
      keep: (field, secret) => this.#keep(name, box, field, secret),
      principalToken: this.#deps.principalToken,
    }
  }

  /**
   * A secret that its provider renewed. It is stored if this is still what is registered, for whichever config it is open: a
   * registration that took its place meanwhile has secrets of its own.
   */
  async #keep(name: string, box: Opened['box'], field: string, secret: Secret): Promise<void> {
    const before = box.secrets
    if (before === undefined)
      throw new JitError(this.#deps.isSealed() ? 'store.sealed' : 'provider.login', `provider ${quote(name)} has no secrets to renew`)
    const next = new Map([...before, [field, secret]])
    if (this.#secrets.get(name) === before) {
      const write = await this.#deps.seal(name, field, secret)
      if (this.#secrets.get(name) === before) {
        write()
        this.#secrets.set(name, next)
      }
    }
    for (const one of [...this.#open.values(), ...this.#retired]) if (one.box.secrets === before) one.box.secrets = next
    if (box.secrets === before) box.secrets = next
  }

  /** Forgets its secrets with it, once what it has under way is over. Never throws. */
  close(one: Opened): void {
    const forget = (): void => {
      this.#retired.delete(one)
      one.box.secrets = undefined
    }
    if (one.provider.close === undefined) return forget()
    this.#retired.add(one)
    one.provider
      .close()
      .catch((error: unknown) => this.#deps.log.warn('provider not closed', { provider: one.name, error: String(error) }))
      .finally(forget)
  }

  /** The secrets that are registered under a name, while the store is open. */
  secretsOf(name: string): Secrets | undefined {
    return this.#secrets.get(name)
  }

  get(name: string): Provider | undefined {
    return this.#open.get(name)?.provider
  }

  entries(): { name: string; plugin: ProviderPlugin; provider: Provider; secrets: string[] }[] {
    return Array.from(this.#open.values(), ({ name, plugin, provider, box }) => ({
      name,
      plugin,
      provider,
      secrets: [...(box.secrets?.keys() ?? [])],
    }))
  }

  /** What a server holds in place of this one's credentials. Throws `not-found`. */
  standIn(name: string): StandIn {
    const found = this.#open.get(name)
    if (found === undefined) throw new JitError('not-found', `there is no provider ${quote(name)}`)
    const { plugin, provider } = found
    const random = randomAlphanumeric(80)
    const placeholder = provider.placeholder?.(random) ?? plugin.placeholder(random)
    const { authentication = 'token' } = plugin
    return {
      placeholder,
      origin: provider.origin,
      authentication,
      environment: (held) => provider.environment?.(held ? placeholder : undefined) ?? {},
    }
  }

  /** The store was opened: what stands in it is what the registered providers have. */
  setSecrets(all: ReadonlyMap<string, Secrets>): void {
    this.#secrets.clear()
    for (const [name, secrets] of all) this.#secrets.set(name, secrets)
    for (const { name, box } of this.#open.values()) box.secrets = all.get(name)
  }

  /** The store was sealed: no secret stays in memory, not with a provider that is on its way out either. */
  dropSecrets(): void {
    this.#secrets.clear()
    for (const { box } of [...this.#open.values(), ...this.#retired]) box.secrets = undefined
  }
}

function factsOf({ plugin, provider }: Opened): ProviderFacts {
  return {
    kind: plugin.kind,
    origin: provider.origin,
    authentication: plugin.authentication ?? 'token',
    longLived: plugin.longLived ?? false,
    ...(plugin.audience === undefined ? {} : { audience: plugin.audience }),
    describe: (scope) => provider.describe(scope),
    parseScope: (scope) => parseScope(plugin, scope),
    checkField: (path, value) => plugin.checkField(path, value),
    checkTemplate: (template) => plugin.checkTemplate?.(template),
    ...(plugin.checkPart === undefined ? {} : { checkPart: (part) => plugin.checkPart?.(part) }),
  }
}

function parseScope(plugin: ProviderPlugin, scope: JsonObject): JsonObject {
  const parsed = plugin.scope.safeParse(scope)
  if (!parsed.success)
    throw new JitError(
      'provider.scope',
      `not a scope of ${plugin.kind}: ${quote(scope)} (${parsed.error.issues.map(printIssue).join('; ')})`,
    )
  return parsed.data
}

function printIssue({ path, message }: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`
}

/** An entry came from a text: it holds what JSON holds. */
function toJson(entry: Readonly<Record<string, unknown>>): JsonObject {
  const value: JsonObject = JSON.parse(JSON.stringify(entry))
  return value
}
