import type { z } from 'zod'
import { type ProviderView, registerProvider } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { Secret } from '../../core/secret.ts'
import type { ProviderPlugin } from '../../provider/contract.ts'
import { byCommandLine, nameIn, type Routes } from './route.ts'
import { problemsFromZod } from '../problems.ts'
import type { Daemon } from '../types.ts'

type Asked = z.infer<typeof registerProvider>

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
      revocation: provider.revocation ?? plugin.revocation,
      origin: provider.origin,
      secrets,
      servers: usedBy(name),
    }))
  return {
    kinds: () =>
      registry.kinds.map(({ kind, summary, revocation, login, longLived = false, example }) => ({
        kind,
        summary,
        revocation,
        login,
        longLived,
        example,
      })),
    providers: views,
    /** Proved by a real mint first; then sealed secret, config and running provider change together, or nothing does. */
    registerProvider: async (request) => {
      const asked = registerProvider.parse(request.body)
      if (daemon.sealer.state === 'sealed') throw new JitError('store.sealed', 'the secret store is sealed')
      const { plugin, entry, secrets } = readRegistration(asked)
      const set = { set: 'providers', name: asked.name, entry } as const
      refuseSecond(asked)
      configuration.draft(set)
      const proof = await prove(asked.name, entry, secrets)
      // The proof took its time: the same name may be registered by now.
      refuseSecond(asked)
      const write = await daemon.vault.prepare(asked.name, secrets)
      configuration.edit(set, byCommandLine, {
        fresh: { provider: asked.name, secrets },
        write,
        records: [{ type: 'provider.registered', by: byCommandLine, detail: { name: asked.name, kind: plugin.kind, proof } }],
      })
      const view = views().find((known) => known.name === asked.name)
      return { ...view, proof }
    },
    removeProvider: async (request) => {
      const name = nameIn(request)
      if (registry.get(name) === undefined) throw new JitError('not-found', `there is no provider ${quote(name)}`)
      refuseUsed(name)
      if (daemon.sealer.state === 'sealed' && daemon.broker.leases().some((lease) => lease.provider === name))
        throw new JitError(
          'store.sealed',
          `credentials of provider ${quote(name)} are alive, and sealed: nobody could revoke them any more`,
        )
      const receipts = await daemon.broker.revoke({ provider: name }, 'revoked', 10_000)
      // The upstream took its time: a server may use it by now.
      refuseUsed(name)
      configuration.edit({ remove: 'providers', name }, byCommandLine, {
        write: () => daemon.vault.remove(name),
        records: [{ type: 'provider.removed', by: byCommandLine, detail: { name } }],
      })
      return { removed: name, receipts }
    },
  }

  function readRegistration(asked: Asked): { plugin: ProviderPlugin; entry: JsonObject; secrets: Map<string, Secret> } {
    const plugin = registry.plugin(asked.kind)
    const config = plugin.config.safeParse(asked.config)
    if (!config.success) throw new JitError('usage', problemsFromZod(config.error))
    const secrets = new Map(Object.entries(asked.secrets).map(([field, value]) => [field, new Secret(value)]))
    const missing = plugin.login.find((field) => field.secret && field.required && !secrets.has(field.name))
    if (missing !== undefined) throw new JitError('usage', `${missing.label} is missing`, { hint: missing.help })
    const unknown = [...secrets.keys()].find((field) => !plugin.login.some((known) => known.secret && known.name === field))
    if (unknown !== undefined) throw new JitError('usage', `${plugin.kind} has no secret named ${quote(unknown)}`)
    return { plugin, entry: { ...asked.config, kind: asked.kind }, secrets }
  }

  function refuseSecond({ name, replace }: Asked): void {
    if (registry.get(name) === undefined || replace) return
    throw new JitError('conflict', `there is a provider ${quote(name)} already`, { hint: 'Choose another name, or give --replace.' })
  }

  function refuseUsed(name: string): void {
    const servers = usedBy(name)
    if (servers.length > 0)
      throw new JitError('conflict', `provider ${quote(name)} is used by ${servers.join(', ')}`, {
        hint: 'Remove these servers first: `jit remove`.',
      })
  }

  async function prove(name: string, entry: JsonObject, secrets: Map<string, Secret>): Promise<JsonObject> {
    const opened = registry.open(name, entry, secrets)
    try {
      return await opened.provider.prove(AbortSignal.timeout(proofTimeout))
    } finally {
      registry.close(opened)
    }
  }
}
