import type { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import type { Sealer } from '../store/sealer.ts'
import type { Store } from '../store/store.ts'
import type { Registry } from './registry.ts'

/** Provider secrets: sealed in the store as `provider/<name>/<field>`, in the registry while the store is open. */
export interface Vault {
  /** A secret that cannot be opened is logged, and missing where it is needed. Throws `store.sealed`. */
  load(): Promise<void>
  /** Seals them without storing them. The returned function stores them in place of all that were there; it is called in the same turn. */
  prepare(provider: string, secrets: ReadonlyMap<string, Secret>): Promise<() => void>
  /** Seals one that was renewed. The returned function stores it; it is called in the same turn. */
  renew(provider: string, field: string, secret: Secret): Promise<() => void>
  /** From the store alone: what the registry holds goes with the registration. */
  remove(provider: string): void
  /** Forgets every secret in memory and the key with them. */
  seal(): void
}

export function createVault(deps: { store: Pick<Store, 'secrets'>; sealer: Sealer; registry: Registry; log: Logger }): Vault {
  const { store, sealer, registry, log } = deps
  const remove = (provider: string): void => {
    for (const name of store.secrets.names()) if (name.startsWith(`provider/${provider}/`)) store.secrets.delete(name)
  }
  return {
    async load() {
      const found = new Map<string, Map<string, Secret>>()
      for (const name of store.secrets.names()) {
        const [, provider, field] = /^provider\/([^/]+)\/([^/]+)$/.exec(name) ?? []
        if (provider === undefined || field === undefined) continue
        const fields = found.get(provider) ?? new Map<string, Secret>()
        found.set(provider, fields)
        try {
          fields.set(field, await sealer.open(store.secrets.get(name) ?? '', name))
        } catch (error) {
          if (sealer.state === 'sealed') throw error
          log.error('secret of a provider not opened', { provider, field, error: String(error) })
        }
      }
      registry.setSecrets(found)
    },
    async prepare(provider, secrets) {
      const rows = await Promise.all(
        Array.from(secrets, async ([field, secret]) => {
          const name = `provider/${provider}/${field}`
          return { name, sealed: await sealer.seal(secret, name) }
        }),
      )
      return () => {
        remove(provider)
        for (const { name, sealed } of rows) store.secrets.set(name, sealed)
      }
    },
    async renew(provider, field, secret) {
      const name = `provider/${provider}/${field}`
      const sealed = await sealer.seal(secret, name)
      return () => store.secrets.set(name, sealed)
    },
    remove,
    seal() {
      registry.dropSecrets()
      sealer.close()
    },
  }
}
