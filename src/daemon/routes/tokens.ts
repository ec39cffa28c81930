import { addToken, type TokenView } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import type { Token } from '../../gateway/http/tokens.ts'
import { byCommandLine, nameIn, type Routes } from './route.ts'
import type { Daemon } from '../types.ts'

/** Tokens of HTTP clients. The command line makes them; only their hash comes here. */
export function tokenRoutes({ http, configuration, audit, clock, log }: Daemon): Routes {
  const view = ({ name, servers, addedAt, expiresAt }: Token): TokenView => ({
    name,
    servers: [...servers],
    addedAt,
    expiresAt,
    connections: http.principals.list().find(({ principal }) => principal.agent.name === name)?.connections ?? 0,
    address: http.address,
  })
  return {
    tokens: () => http.tokens.list().map(view),
    addToken: (request) => {
      const { name, hash, servers, life } = addToken.parse(request.body)
      const known = configuration.current.loaded.config.servers
      const unknown = servers.find((server) => !Object.hasOwn(known, server))
      if (unknown !== undefined) throw new JitError('not-found', `there is no server ${quote(unknown)}`)
      const addedAt = clock.now()
      const expiresAt = life === undefined ? 0 : addedAt + life
      const detail = { name, servers, expiresAt: expiresAt === 0 ? 'never' : new Date(expiresAt).toISOString() }
      const row = { name, hash, servers: [...new Set(servers)], addedAt, expiresAt }
      return view(http.tokens.add(row, () => audit.append({ type: 'token.added', by: byCommandLine, detail })))
    },
    removeToken: (request) => {
      const removed = http.tokens.remove(nameIn(request))
      try {
        audit.append({ type: 'token.removed', by: byCommandLine, detail: { name: removed.name } })
      } catch (error) {
        // What cuts off never waits for a disk.
        log.error('end of a token not recorded', { token: removed.name, error: String(error) })
      }
      return { removed: removed.name }
    },
  }
}
