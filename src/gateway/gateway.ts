import type { Socket } from 'node:net'
import type { ListedTool } from '../api/schema.ts'
import { type JitError, toJitError } from '../core/errors.ts'
import { acceptConnection } from './client/accept.ts'
import { type ClientIdentity, Connection, type ConnectionHost } from './client/connection.ts'
import { listTools } from './inventory.ts'
import { KnownTools } from './call/known-tools.ts'
import type { ClientLink } from './client/link.ts'
import type { GatewayDeps, LaneStatus } from './types.ts'

export interface Gateway {
  /** Takes a connection of the shim. */
  accept(socket: Socket): void
  /** A client on a link of its own, until `leave`. */
  open(link: ClientLink, identity: ClientIdentity): Connection
  /** The client is gone: calls in flight end with `reason`, and its lanes. */
  leave(connection: Connection, reason: JitError): void
  lanes(server: string): LaneStatus[]
  /** All tools of a server, allowed or not, for the person who decides. Throws `locked`, `server.*`, `provider.*`. */
  tools(server: string): Promise<ListedTool[]>
  lastError(server: string): string
  pin(server: string): string
  /** Ends what runs of one server: calls in flight get `reason`, and the next ones start it anew. Its clients stay. */
  restart(server: string, reason: JitError): Promise<void>
  /** Ends what runs of one server, or of all: calls in flight get `reason`. */
  stop(server: string | undefined, reason: JitError): Promise<void>
}

export function createGateway(deps: GatewayDeps): Gateway {
  const connections = new Set<Connection>()
  const pins = new Map<string, string>()
  const errors = new Map<string, JitError>()
  const host: ConnectionHost = {
    tools: new KnownTools(deps),
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
        { ...host, onClose: (connection) => void connections.delete(connection) },
        (connection) => void connections.add(connection),
      )
    },
    open(link, identity) {
      const connection = new Connection(deps, link, identity, host)
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
    async tools(server) {
      try {
        const tools = await listTools(deps, server)
        errors.delete(server)
        return tools
      } catch (thrown) {
        const error = toJitError(thrown)
        // That jit is locked says nothing about the server.
        if (error.code !== 'locked') errors.set(server, error)
        throw error
      }
    },
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
