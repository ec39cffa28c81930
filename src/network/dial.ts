import { lookup } from 'node:dns/promises'
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type ConnectionOptions, type SecureContext } from 'node:tls'
import type { Clock } from '../core/clock.ts'
import { JitError, quote } from '../core/errors.ts'
import { type Dialled, hostsLine, localAddress } from '../core/local-address.ts'
import type { Logger } from '../core/types.ts'
import { isLoopback, refuseAddress } from './address.ts'
import type { Hosts } from './hosts.ts'

export interface DialDeps {
  readonly hosts: Hosts
  readonly trust: SecureContext
  /** Milliseconds for the name, the connection and the handshake together. */
  readonly timeout: number
  readonly clock: Clock
  readonly log: Logger
  /** All addresses of a name, as the system resolves it. */
  readonly resolve?: (name: string) => Promise<readonly string[]>
  /** Why an address is not dialled. */
  readonly refuse?: (address: string) => string | undefined
}

/**
 * Answers a socket that is connected, with TLS also verified for `name`. Throws JitError `egress.upstream` with
 * `details.sent: false`: before that, nothing of a request leaves this process.
 */
export type Dial = (name: string, port: number, tls: boolean) => Promise<Socket>

/**
 * Connects to upstreams. A name is resolved once, its addresses are checked, and one of those very addresses is dialled, so
 * that a second answer of the name service cannot lead elsewhere. SNI and the certificate keep the name.
 */
export function createDial(deps: DialDeps): Dial {
  return (name, port, tls) => {
    const late = new AbortController()
    const cancel = deps.clock.after(deps.timeout, () => late.abort(failure(name, port, `no connection within ${deps.timeout} ms`)))
    return new Promise<Socket>((resolve, reject) => {
      late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true })
      findTarget(deps, name, port, tls)
        .then((target) => (late.signal.aborted ? undefined : resolve(connect(deps, name, target, tls, late.signal))))
        .catch(reject)
    }).finally(cancel)
  }
}

interface Target {
  readonly addresses: readonly string[]
  readonly port: number
}

async function findTarget(deps: DialDeps, name: string, port: number, tls: boolean): Promise<Target> {
  const listed = deps.hosts.find(name, port)
  if (!tls && (listed === undefined || !isLoopback(listed.address))) {
    throw failure(
      name,
      port,
      'clear text goes only to loopback addresses that network.hosts lists',
      isIP(name) !== 0 && !isLoopback(name)
        ? 'Use https.'
        : `If it is meant, network.hosts has to say so: \`${hostsLine(entryFor(name, port, `127.0.0.1:${port}`))}\`. Else use https.`,
    )
  }
  if (listed !== undefined) return { addresses: [listed.address], port: listed.port ?? port }
  const found = await (deps.resolve ?? resolveName)(name).catch((cause: unknown) => {
    throw failure(name, port, 'the name has no address', undefined, cause)
  })
  const refusals = found.map((address) => (deps.refuse ?? refuseAddress)(address))
  const addresses = found.filter((_, index) => refusals[index] === undefined)
  if (addresses.length === 0) {
    deps.log.warn('upstream not dialled', { name, port, addresses: found, refusals })
    throw failure(
      name,
      port,
      `it is not dialled: ${refusals.find((refusal) => refusal !== undefined) ?? 'the name has no address'}`,
      `If it is meant, network.hosts has to say so: write \`${hostsLine(entryFor(name, port, 'ADDRESS'))}\` into the config file, and run \`jit config apply\`.`,
    )
  }
  return { addresses, port }
}

function connect(deps: DialDeps, name: string, target: Target, tls: boolean, signal: AbortSignal): Promise<Socket> {
  const [first = ''] = target.addresses
  const options = {
    // An address as a name is never looked up; then the address to dial stands here itself.
    host: isIP(name) === 0 ? name : first,
    port: target.port,
    lookup: pinned(target.addresses),
    autoSelectFamily: true,
    noDelay: true,
    keepAlive: true,
  }
  const secure: ConnectionOptions = {
    secureContext: deps.trust,
    ALPNProtocols: ['http/1.1'],
    // Whatever the daemon's environment says (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ...(isIP(name) === 0 ? { servername: name } : {}),
  }
  return new Promise((resolve, reject) => {
    // Without a descriptor left, `tls.connect` throws and leaves a socket behind whose error nobody hears: that would end the process.
    const plain = connectTcp(options)
    let socket: Socket = plain
    const fail = (cause: Error): void => {
      socket.destroy()
      plain.destroy()
      reject(
        cause instanceof JitError
          ? cause
          : failure(
              name,
              target.port,
              explain(cause),
              isTrust(cause) ? 'If its authority is your own, list its PEM file under `network.ca`.' : undefined,
              cause,
            ),
      )
    }
    const stop = (): void => fail(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    const done = (): void => {
      signal.removeEventListener('abort', stop)
      socket.off('error', fail)
      resolve(socket)
    }
    plain.on('error', fail)
    plain.once('connect', () => {
      if (!tls) return done()
      socket = connectTls({ ...secure, socket: plain })
      socket.on('error', fail)
      socket.once('secureConnect', done)
    })
  })
}

/**
 * What a person would write so that this is dialled. Where a name leads is theirs to say (`otherwise`): what it resolved to may be
 * somebody else's word.
 */
function entryFor(name: string, port: number, otherwise: string): Dialled {
  const bracketed = isIP(name) === 6 ? `[${name}]` : name
  const own = isIP(name) === 0 ? otherwise : name
  return localAddress(`https://${bracketed}:${port}`) ?? { name: `${bracketed}:${port}`, address: own }
}

/** Answers the connection's own lookup with the addresses that were checked. */
function pinned(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_, { all: wantsAll }, callback) => {
    const [first] = all
    if (wantsAll === true) callback(null, all)
    else callback(null, first?.address ?? '', first?.family)
  }
}

async function resolveName(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}

function failure(name: string, port: number, why: string, hint?: string, cause?: unknown): JitError {
  return new JitError('egress.upstream', `${quote(`${name}:${port}`)}: ${why}`, {
    details: { sent: false },
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}

function explain(cause: Error): string {
  const code: unknown = Reflect.get(cause, 'code')
  return typeof code === 'string' && !cause.message.includes(code) ? `${cause.message} (${code})` : cause.message
}

function isTrust(cause: Error): boolean {
  return /SELF_SIGNED|UNABLE_TO|CERT_/.test(String(Reflect.get(cause, 'code')))
}
