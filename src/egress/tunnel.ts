import { isIP, type Socket } from 'node:net'
import { type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls'
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
export async function terminate(raw: Socket, host: string, context: SecureContext, clock: Clock, timeout: number): Promise<Tunnel> {
  const handshake = await shakeHands(raw, { secureContext: context }, clock, timeout)
  if (!handshake.ok) return handshake
  const { socket, asked } = handshake
  const expected = isIP(host) === 0 ? host : ''
  return { ok: true, socket, misdirected: asked === expected ? undefined : asked }
}

/** A connection that the client takes for one to the host itself. */
export type Redirected =
  | {
      readonly ok: true
      readonly socket: TLSSocket
      /** In lower case. */
      readonly host: string
    }
  | {
      readonly ok: false
      readonly reason: string
      /** What its handshake named, if it came that far. */
      readonly host: string
    }

/** The same without CONNECT: the handshake names the host, and `contextFor` answers what to present, or nothing where it may not. */
export async function terminateNamed(
  raw: Socket,
  contextFor: (host: string) => Promise<SecureContext> | undefined,
  clock: Clock,
  timeout: number,
): Promise<Redirected> {
  let host = ''
  let refused = false
  const name = (given: string, answer: (error: Error | null, context?: SecureContext) => void): void => {
    host = given.toLowerCase()
    const found = contextFor(host)
    refused = found === undefined
    if (found === undefined) answer(new Error('not among the hosts of this server'))
    else found.then((context) => answer(null, context), answer)
  }
  const handshake = await shakeHands(raw, { SNICallback: name }, clock, timeout)
  if (handshake.ok && host !== '') return { ok: true, socket: handshake.socket, host }
  if (handshake.ok) handshake.socket.destroy()
  if (refused) return { ok: false, reason: 'the host is not among those that this server’s rules name', host }
  // Without a name there is no certificate to present, and TLS fails for that.
  const nameless = host === '' && (handshake.ok || handshake.begun === true)
  return { ok: false, reason: nameless || handshake.ok ? 'a TLS handshake that names no host' : handshake.reason, host }
}

type Handshake =
  | {
      readonly ok: true
      readonly socket: TLSSocket
      /** SNI in lower case; empty when there was none. */
      readonly asked: string
    }
  | {
      readonly ok: false
      readonly reason: string
      /** It was TLS that failed. */
      readonly begun?: true
    }

function shakeHands(raw: Socket, options: TLSSocketOptions, clock: Clock, timeout: number): Promise<Handshake> {
  return new Promise((resolve) => {
    const settle = (handshake: Handshake): void => {
      cancel()
      if (!handshake.ok) raw.destroy()
      resolve(handshake)
    }
    const cancel = clock.after(timeout, () => settle({ ok: false, reason: `no TLS handshake within ${timeout} ms` }))
    raw.once('close', () => settle({ ok: false, reason: 'the connection ended before its TLS handshake did' }))
    raw.once('readable', () => {
      const first: Buffer | null = raw.read()
      if (first === null) return settle({ ok: false, reason: 'a tunnel without a byte' })
      if (first[0] !== tlsHandshake) return settle({ ok: false, reason: 'a tunnel that carries no TLS' })
      raw.unshift(first)
      const socket = new TLSSocket(raw, { ...options, isServer: true, ALPNProtocols: ['http/1.1'] })
      socket.on('error', (error) =>
        settle({ ok: false, begun: true, reason: `a TLS handshake that fails: ${error.message.slice(0, 200)}` }),
      )
      socket.once('secure', () => settle({ ok: true, socket, asked: askedName(socket) }))
    })
  })
}

/** SNI in lower case; empty when there was none. */
function askedName(socket: TLSSocket): string {
  const name: unknown = Reflect.get(socket, 'servername')
  return typeof name === 'string' ? name.toLowerCase() : ''
}
