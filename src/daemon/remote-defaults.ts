import { JitError, quote } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Registry } from './registry.ts'

/**
 * The entry of a remote server, with what follows from its address: a login at that server is its provider, and the scope that the
 * login is for is that of its calls, its lists and its handshake. What the entry says itself stays. Throws `usage` when several
 * logins would do.
 */
export function withRemoteDefaults(entry: JsonObject, registry: Pick<Registry, 'entries'>): JsonObject {
  const { url } = entry
  if (typeof url !== 'string' || !URL.canParse(url)) return entry
  const all = registry.entries()
  const provider = entry['provider'] ?? loginFor(url, all)
  const found = all.find(({ name }) => name === provider)?.provider
  if (typeof provider !== 'string' || found?.wholeScope === undefined || found.origin !== new URL(url).origin) return entry
  const inject = isJsonObject(entry['inject']) ? entry['inject'] : {}
  const scope = entry['scope'] ?? found.wholeScope
  return { ...entry, provider, inject: { mode: 'header', ...inject }, scope, startup: entry['startup'] ?? { scope } }
}

/** The login that is for this server: the one whose scope names its address, else the only one at its origin. */
function loginFor(url: string, all: ReturnType<Registry['entries']>): string | undefined {
  const there = all.filter(({ plugin, provider }) => plugin.audience === 'origin' && provider.origin === new URL(url).origin)
  const exact = there.filter(({ provider }) => Object.values(provider.wholeScope ?? {}).includes(url))
  const [first, ...more] = exact.length > 0 ? exact : there
  if (more.length === 0) return first?.name
  const names = [first, ...more].flatMap((one) => (one === undefined ? [] : [one.name]))
  throw new JitError('usage', `${names.length} logins are for ${quote(new URL(url).origin)}: ${names.join(', ')}`, {
    hint: `Choose one: --provider ${names[0] ?? ''}`,
  })
}
