import type { Socket } from 'node:net'
import { CONTROL, frame, frameReader, MESSAGE } from '../../api/frames.js'
import { helloFrame } from '../../api/schema.ts'
import { JitError, toJitError } from '../../core/errors.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import { ShimLink, shown } from './link.ts'
import type { GatewayDeps } from '../types.ts'

/** Reads the hello, answers it, and hands the connection its messages. */
export function acceptConnection(
  deps: GatewayDeps,
  socket: Socket,
  host: ConnectionHost & { onClose(connection: Connection): void },
  onOpen: (connection: Connection) => void,
): void {
  const link = new ShimLink(socket)
  let connection: Connection | undefined
  let leave = (): void => undefined
  const refuse = (error: JitError): void => {
    socket.end(frame(CONTROL, JSON.stringify({ error: shown(error) })))
  }
  const read = frameReader((kind, payload) => {
    if (kind === MESSAGE && connection !== undefined) {
      link.heard()
      return connection.receive(payload)
    }
    if (kind !== CONTROL || connection !== undefined) return void socket.destroy()
    try {
      const hello = helloFrame.parse(JSON.parse(payload.toString('utf8')))
      const { broken } = deps.policy()
      if (broken !== undefined) throw broken
      if (!deps.policy().servers.has(hello.server))
        throw new JitError(
          deps.policy().servers.size === 0 ? 'config.missing' : 'not-found',
          `there is no server ${JSON.stringify(hello.server)}`,
          {
            hint: '`jit servers` lists them; `jit add` adds one.',
          },
        )
      const identified = deps.identify(socket, hello)
      leave = identified.leave
      connection = new Connection(deps, link, { server: hello.server, principal: identified.principal }, host)
      onOpen(connection)
      socket.write(frame(CONTROL, JSON.stringify({ welcome: 1, daemon: process.pid })))
    } catch (error) {
      refuse(toJitError(error, 'message.malformed'))
    }
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      read(chunk)
    } catch (error) {
      deps.log.warn('connection dropped', { error: String(error) })
      socket.destroy()
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    leave()
    if (connection === undefined) return
    host.onClose(connection)
    void connection.close(new JitError('cancelled', 'the client went away'))
  })
}
