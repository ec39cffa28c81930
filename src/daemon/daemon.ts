import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { openAudit } from '../audit/log.ts'
import { findPaths } from '../config/paths.ts'
import { loadPresets } from '../config/presets.ts'
import { selfServer, withSelf } from '../config/self.ts'
import { systemClock } from '../core/clock.ts'
import { JitError, toJitError } from '../core/errors.ts'
import { createEgress } from '../egress/egress.ts'
import { createGateway } from '../gateway/gateway.ts'
import { admitPeer, openPeerReader } from '../identity/peer.ts'
import { createSessions } from '../identity/sessions.ts'
import type { Network } from '../network/network.ts'
import type { ProviderPlugin } from '../provider/contract.ts'
import { createSelfService } from '../selfservice/service.ts'
import { systemKeychain } from '../store/keychain.ts'
import { openSealer } from '../store/sealer.ts'
import { openStore } from '../store/sqlite.ts'
import { createApi } from './api.ts'
import { createChildren } from './children.ts'
import { closeInherited, guardFolder, guardProcess, hardenProcess } from './guard.ts'
import { createHttp } from './http.ts'
import { packageVersion, presetFolder } from './installation.ts'
import { createLogger } from './log.ts'
import { refuseLostStore } from './lost-store.ts'
import { endOrphans } from './orphans.ts'
import { Door } from './door.ts'
import { composeParts } from './parts.ts'
import type { Daemon } from './types.ts'

const revokeAtStop = 5000
const checkpointEvery = 60_000
const recordAgain = 1000
const revokeWithin = 10_000

/** Composes the parts, in the order that safety asks for, and runs until it is stopped. */
export async function runDaemon(options: { providers: readonly ProviderPlugin[]; foreground: boolean }): Promise<void> {
  closeInherited()
  guardProcess(process.env, process.execArgv)
  const paths = findPaths(process.env, userInfo().homedir)
  for (const folder of [paths.state, paths.runtime, dirname(paths.configFile)]) guardFolder(folder)
  const clock = systemClock
  const log = createLogger({
    file: paths.logFile,
    foreground: options.foreground,
    clock,
    ...(process.env['JIT_LOG'] === 'debug' ? { level: 'debug' as const } : {}),
  })

  // Whoever started the daemon is gone by now; what is written to its stderr must not end it.
  process.stderr.on('error', () => undefined)
  process.on('warning', (warning) => log.warn('warning of the runtime', { warning: warning.message }))
  // A defect must leave its trace before the process ends: nobody reads a detached daemon's stderr.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.error('daemon failed', { event, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      process.exit(70)
    })
  }

  // The store's lock comes before the sockets: whoever holds it is the daemon of this home.
  refuseLostStore(paths)
  const store = openStore(paths.database)
  const hardening = await hardenProcess()
  const children = createChildren(store.children, { clock, log })
  endOrphans(children, log)
  const keychain = process.env['JIT_KEYCHAIN'] === 'off' ? undefined : await systemKeychain()
  const sealer = await openSealer({ store, stateFolder: paths.state, keychain, log })

  const audit = openAudit({ folder: paths.auditFolder, sync: 'batch', segmentBytes: 64 * 1024 * 1024, clock, log, meta: store.meta })
  const parts = await composeParts({
    plugins: options.providers,
    presets: loadPresets(presetFolder()),
    paths,
    clock,
    log,
    store,
    sealer,
    audit,
  })
  const { configuration, approvals, broker, signing, registry, launcher } = parts
  await signing.ensure()
  // Sealed or not: mints that were lost are known at once, and what needs the key is resolved after `jit unseal`.
  await broker.recover()

  /** Of the config in force, whichever that is when it is used. */
  const network: Network = {
    get fetch() {
      return parts.network().fetch
    },
    get httpAgent() {
      return parts.network().httpAgent
    },
    get httpsAgent() {
      return parts.network().httpsAgent
    },
    get timeout() {
      return parts.network().timeout
    },
    close: () => parts.network().close(),
  }
  const egress = await createEgress({
    folder: paths.state,
    network,
    audit,
    clock,
    log,
    liveSecrets: () => broker.liveSecrets(),
    secretsVersion: () => broker.secretsVersion,
    scrubber: broker.search.scrubber,
  })
  await egress.listen()

  const readPeer = await openPeerReader()
  const endSession = (session: string): void => {
    broker.revoke({ session }, 'session', revokeWithin).catch((error: unknown) => {
      log.error('leases of an ended session not revoked', { session, error: String(error) })
    })
  }
  // Agents whose daemon died come back as new sessions: nobody would ever use what it left.
  for (const session of new Set(broker.leases().flatMap((lease) => (lease.state === 'live' ? [lease.session] : [])))) endSession(session)
  const sessions = createSessions({ clock, onEnd: endSession })
  launcher.prune()
  const startedAt = clock.now()
  const config = () => withSelf(configuration.current.loaded.config)
  const policy = () => configuration.current.policy
  const { presets, proposals } = parts
  const self = createSelfService({ config, policy, presets, trail: audit, proposals, startedAt, version: packageVersion(), clock, log })
  const gateway = createGateway({
    config,
    policy,
    local: (server) => (server === selfServer ? self : undefined),
    broker,
    egress,
    network,
    audit,
    approvals,
    get tracer() {
      return parts.telemetry.tracer
    },
    children,
    launch: (server) => launcher.launch(server),
    sandbox: parts.sandbox,
    handover: emptyFolder(join(paths.runtime, 'handover')),
    standIn: (provider) => registry.standIn(provider),
    identify(socket, hello) {
      const identified = sessions.enter(admitPeer(readPeer, socket), hello)
      door.welcomed(socket)
      return identified
    },
    clock,
    log,
  })

  const http = createHttp({ ...parts, gateway, endSession })
  parts.attach(gateway, http)

  const stopping = new AbortController()
  const daemon: Daemon = {
    ...parts,
    startedAt,
    gateway,
    sessions,
    http,
    hardening,
    peerKnown: readPeer !== undefined,
    stop: () => stopping.abort(),
  }
  const api = await createApi(daemon)
  // The folder's mode keeps other accounts out; this holds when somebody opened it.
  api.server.prependListener('connection', (socket) => {
    try {
      admitPeer(readPeer, socket)
    } catch (error) {
      log.warn('connection to the API refused', { error: toJitError(error).message })
      socket.destroy()
    }
  })
  const connections = createServer()
  const door = new Door({ clock, log, admit: (socket) => admitPeer(readPeer, socket), accept: (socket) => gateway.accept(socket) })
  door.guard(connections)
  // With a full disk it starts all the same: `jit revoke` and `jit lock` must work. Calls are refused until the disk takes records.
  const recordStart = (): void => {
    try {
      audit.append({
        type: 'daemon.started',
        detail: { pid: process.pid, node: process.version, policy: configuration.current.policy.digest },
      })
    } catch {
      if (!stopping.signal.aborted) clock.after(recordAgain, recordStart)
    }
  }
  recordStart()
  await listenOn(connections, paths.connectSocket)
  rmSync(paths.apiSocket, { force: true })
  await api.listen({ path: paths.apiSocket })
  await http.listen(configuration.current.loaded.config.http?.port)
  log.info('daemon started', { home: paths.state, config: paths.configFile, locked: broker.locked, store: sealer.state })
  if (options.foreground) process.stderr.write(`jit daemon runs (pid ${process.pid}); Ctrl-C stops it\n`)

  // One timer that keeps the process: where there is none, Node tells the event loop so with each short one that comes and goes.
  const tick = setInterval(() => {
    proposals.sweep()
    void signing.ensure().then(() => audit.checkpoint())
  }, checkpointEvery)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => stopping.abort())
  await new Promise<void>((settle) => stopping.signal.addEventListener('abort', () => settle(), { once: true }))

  log.info('daemon stops')
  clearInterval(tick)
  connections.close()
  const reason = new JitError('daemon.restarted', 'the daemon stopped')
  http.close(reason)
  await gateway.stop(undefined, reason)
  await broker.close(revokeAtStop)
  await egress.close()
  await api.close()
  try {
    audit.append({ type: 'daemon.stopped', detail: { pid: process.pid } })
  } catch (error) {
    log.error('stop not recorded', { error: String(error) })
  }
  await audit.close()
  await parts.telemetry.close()
  await parts.network().close()
  for (const socket of [paths.connectSocket, paths.apiSocket]) rmSync(socket, { force: true })
  store.close()
  process.exit(0)
}

/** The folder is ours and closed to others, and the store's lock is held: a socket that is there is stale. */
function listenOn(server: Server, path: string): Promise<void> {
  if (existsSync(path)) rmSync(path)
  return new Promise((settle, fail) => {
    server.once('error', fail)
    server.listen(path, settle)
  })
}

/** What a daemon that died left there is of no use any more. */
function emptyFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  return folder
}
