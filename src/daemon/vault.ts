import type { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import type { Sealer } from '../store/sealer.ts'
import type { Store } from '../store/store.ts'
import type { Registry } from './registry.ts'

/** Provider secrets: sealed in the store as `provider/<name>/<field>`, in the registry while the store is open. */
export interface Vault {
  load(): Promise<void>
  put(provider: string, secrets: ReadonlyMap<string, Secret>): Promise<void>
  remove(provider: string): void
  /** Forgets every secret in memory and the key with them. */
  seal(): void
}

export function createVault(deps: { store: Store; sealer: Sealer; registry: Registry; log: Logger }): Vault {
  const { store, sealer, registry } = deps
  return {
    async load() {
      const found = new Map<string, Map<string, Secret>>()
      for (const name of store.secrets.names()) {
        const [, provider, field] = /^provider\/([^/]+)\/([^/]+)$/.exec(name) ?? []
        if (provider === undefined || field === undefined) continue
        const fields = found.get(provider) ?? new Map<string, Secret>()
        found.set(provider, fields.set(field, await sealer.open(store.secrets.get(name) ?? '', name)))
      }
      for (const [provider, fields] of found) registry.setSecrets(provider, fields)
    },
    async put(provider, secrets) {
      for (const [field, secret] of secrets) {
        const name = `provider/${provider}/${field}`
        store.secrets.set(name, await sealer.seal(secret, name))
      }
      registry.setSecrets(provider, secrets)
    },
    remove(provider) {
      for (const name of store.secrets.names()) if (name.startsWith(`provider/${provider}/`)) store.secrets.delete(name)
      registry.dropSecrets(provider)
    },
    seal() {
      registry.dropSecrets()
      sealer.close()
    },
  }
}
