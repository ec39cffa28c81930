import type { JitError } from '../core/errors.ts'
import { acceptConnection } from './accept.ts'
import { Connection, type ConnectionEvents } from './connection.ts'
import { listTools } from './inventory.ts'
import type { Gateway, GatewayDeps } from './types.ts'

export function createGateway(deps: GatewayDeps): Gateway {
  const connections = new Set<Connection>()
  const pins = new Map<string, string>()
  const errors = new Map<string, JitError>()
  const events: ConnectionEvents = {
    onPin: (server, pin) => {
      pins.set(server, pin)
      errors.delete(server)
    },
    onServerError: (server, error) => void errors.set(server, error),
  }
  return {
    accept(socket) {
      acceptConnection(
        deps,
        socket,
        { ...events, onClose: (connection) => void connections.delete(connection) },
        (connection) => void connections.add(connection),
      )
    },
    open(link, identity) {
      const connection = new Connection(deps, link, identity, events)
      connections.add(connection)
      return connection
    },
    leave(connection, reason) {
      connections.delete(connection)
      connection.close(reason).catch((error: unknown) => deps.log.error('connection not closed', { error: String(error) }))
    },
    lanes: (server) =>
      [...connections]
        .filter((connection) => connection.server === server)
        .flatMap((connection) => connection.lanes.all.map((lane) => lane.status())),
    tools: (server) => listTools(deps, server),
    lastError: (server) => errors.get(server)?.message ?? '',
    pin: (server) => pins.get(server) ?? '',
    async restart(server, reason) {
      const chosen = [...connections].filter((connection) => connection.server === server)
      await Promise.all(chosen.map((connection) => connection.restart(reason)))
    },
    async stop(server, reason) {
      const chosen = [...connections].filter((connection) => server === undefined || connection.server === server)
      await Promise.all(
        chosen.map(async (connection) => {
          connections.delete(connection)
          await connection.close(reason)
          connection.drop(reason)
        }),
      )
    },
  }
}
