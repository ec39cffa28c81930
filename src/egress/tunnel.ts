import { isIP, type Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import type { Clock } from '../core/clock.ts'

export type Tunnel =
  | {
      readonly ok: true
      readonly socket: TLSSocket
      /** What the handshake asked for, when that is not the host of CONNECT. */
      readonly misdirected: string | undefined
    }
  | { readonly ok: false; readonly reason: string }

const tlsHandshake = 0x16

/** Ends TLS inside a CONNECT tunnel, presenting `host`. Only TLS with HTTP/1.1 comes through, and only in time. */
export function terminate(raw: Socket, host: string, context: SecureContext, clock: Clock, timeout: number): Promise<Tunnel> {
  return new Promise((resolve) => {
    const settle = (tunnel: Tunnel): void => {
      cancel()
      if (!tunnel.ok) raw.destroy()
      resolve(tunnel)
    }
    const cancel = clock.after(timeout, () => settle({ ok: false, reason: `no TLS handshake within ${timeout} ms` }))
    raw.once('close', () => settle({ ok: false, reason: 'the connection ended before its TLS handshake did' }))
    raw.once('readable', () => {
      const first: Buffer | null = raw.read()
      if (first === null) return settle({ ok: false, reason: 'a tunnel without a byte' })
      if (first[0] !== tlsHandshake) return settle({ ok: false, reason: 'a tunnel that carries no TLS' })
      raw.unshift(first)
      const socket = new TLSSocket(raw, { isServer: true, secureContext: context, ALPNProtocols: ['http/1.1'] })
      socket.on('error', (error) => settle({ ok: false, reason: `a TLS handshake that fails: ${error.message.slice(0, 200)}` }))
      socket.once('secure', () => {
        const asked = askedName(socket)
        const expected = isIP(host) === 0 ? host : ''
        settle({ ok: true, socket, misdirected: asked === expected ? undefined : asked })
      })
    })
  })
}

/** SNI in lower case; empty when there was none. */
function askedName(socket: TLSSocket): string {
  const name: unknown = Reflect.get(socket, 'servername')
  return typeof name === 'string' ? name.toLowerCase() : ''
}
