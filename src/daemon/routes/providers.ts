import type { ProviderView } from '../../api/schema.ts'
import { JitError, quote, toJitError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { checkRegistration, register } from '../registration.ts'
import { byCommandLine, nameIn, type Routes } from './route.ts'
import type { Daemon } from '../types.ts'

const logOutTimeout = 10_000

export function viewProviders(daemon: Daemon): ProviderView[] {
  return daemon.registry.entries().map(({ name, plugin, provider, secrets }) => ({
    name,
    kind: plugin.kind,
    revocation: provider.revocation ?? plugin.revocation,
    origin: provider.origin,
    secrets,
    servers: usersOf(daemon, name),
  }))
}

export function providerRoutes(daemon: Daemon): Routes {
  const { registry, configuration } = daemon
  return {
    kinds: () =>
      registry.kinds.map(({ kind, summary, revocation, login, longLived = false, example, browser }) => ({
        kind,
        summary,
        revocation,
        login,
        longLived,
        example,
        browser: browser !== undefined,
      })),
    providers: () => viewProviders(daemon),
    /** Of a login that needs no browser. */
    registerProvider: async (request) => register(daemon, checkRegistration(daemon, request.body), () => viewProviders(daemon)),
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
      const login = daemon.sealer.state === 'sealed' ? undefined : await endLogin(daemon, name)
      refuseUsed(name)
      configuration.edit({ remove: 'providers', name }, byCommandLine, {
        write: () => daemon.vault.remove(name),
        records: [{ type: 'provider.removed', by: byCommandLine, detail: { name, ...(login === undefined ? {} : { login }) } }],
      })
      return { removed: name, receipts, ...(login === undefined ? {} : { login }) }
    },
  }

  function refuseUsed(name: string): void {
    const servers = usersOf(daemon, name)
    if (servers.length > 0)
      throw new JitError('conflict', `provider ${quote(name)} is used by ${servers.join(', ')}`, {
        hint: 'Remove these servers first: `jit remove`.',
      })
  }
}

/** Its tokens end upstream while its secrets are still there; that this failed keeps nobody from forgetting it. */
async function endLogin(daemon: Daemon, name: string): Promise<JsonObject | undefined> {
  const provider = daemon.registry.get(name)
  if (provider?.logOut === undefined) return undefined
  try {
    return { ...(await provider.logOut(AbortSignal.timeout(logOutTimeout))) }
  } catch (error) {
    const failure = toJitError(error)
    daemon.log.warn('login not ended', { provider: name, error: failure.message })
    return { outcome: 'failed', detail: failure.message }
  }
}

function usersOf({ configuration }: Daemon, name: string): string[] {
  return Object.entries(configuration.current.loaded.config.servers)
    .filter(([, server]) => server.provider === name)
    .map(([server]) => server)
}
