import { type ProviderView, registerProvider } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import { byCommandLine, nameIn, type Routes } from '../api.ts'
import { problemsFromZod } from '../problems.ts'
import type { Daemon } from '../types.ts'

const proofTimeout = 30_000

export function providerRoutes(daemon: Daemon): Routes {
  const { registry, configuration } = daemon
  const usedBy = (name: string): string[] =>
    Object.entries(configuration.current.loaded.config.servers)
      .filter(([, server]) => server.provider === name)
      .map(([server]) => server)
  const views = (): ProviderView[] =>
    registry.entries().map(({ name, plugin, provider, secrets }) => ({
      name,
      kind: plugin.kind,
      revocation: plugin.revocation,
      origin: provider.origin,
      secrets,
      servers: usedBy(name),
    }))
  return {
    kinds: () => registry.kinds.map(({ kind, summary, revocation, login }) => ({ kind, summary, revocation, login })),
    providers: views,
    /** Proved by a real mint first; only then sealed and written to the config. */
    registerProvider: async (request) => {
      const asked = registerProvider.parse(request.body)
      if (daemon.sealer.state === 'sealed') throw new JitError('store.sealed', 'the secret store is sealed')
      if (registry.get(asked.name) !== undefined && !asked.replace)
        throw new JitError('conflict', `there is a provider ${quote(asked.name)} already`, {
          hint: 'Choose another name, or give --replace.',
        })
      const plugin = registry.plugin(asked.kind)
      const config = plugin.config.safeParse(asked.config)
      if (!config.success) throw new JitError('usage', problemsFromZod(config.error))
      const secrets = new Map(Object.entries(asked.secrets).map(([field, value]) => [field, new Secret(value)]))
      const missing = plugin.login.find((field) => field.secret && field.required && !secrets.has(field.name))
      if (missing !== undefined) throw new JitError('usage', `${missing.label} is missing`, { hint: missing.help })
      const { provider } = registry.make(asked.name, { kind: asked.kind, ...asked.config }, secrets)
      const proof = await provider.prove(AbortSignal.timeout(proofTimeout))
      await daemon.vault.put(asked.name, secrets)
      configuration.edit({ set: 'providers', name: asked.name, entry: { kind: asked.kind, ...asked.config } }, byCommandLine)
      daemon.audit.append({ type: 'provider.registered', by: byCommandLine, detail: { name: asked.name, kind: asked.kind, proof } })
      const view = views().find((known) => known.name === asked.name)
      return { ...view, proof }
    },
    removeProvider: async (request) => {
      const name = nameIn(request)
      if (registry.get(name) === undefined) throw new JitError('not-found', `there is no provider ${quote(name)}`)
      const servers = usedBy(name)
      if (servers.length > 0)
        throw new JitError('conflict', `provider ${quote(name)} is used by ${servers.join(', ')}`, {
          hint: 'Remove these servers first: `jit remove`.',
        })
      const receipts = await daemon.broker.revoke({ provider: name }, 'revoked', 10_000)
      configuration.edit({ remove: 'providers', name }, byCommandLine)
      daemon.vault.remove(name)
      daemon.audit.append({ type: 'provider.removed', by: byCommandLine, detail: { name } })
      return { removed: name, receipts }
    },
  }
}
