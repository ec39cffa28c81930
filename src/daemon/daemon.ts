import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createApprovals } from '../approval/queue.ts'
import { openSigner } from '../audit/checkpoint.ts'
import { openAudit } from '../audit/log.ts'
import { createBroker } from '../broker/broker.ts'
import { findPaths } from '../config/paths.ts'
import { loadPresets } from '../config/presets.ts'
import { systemClock } from '../core/clock.ts'
import { JitError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { createEgress } from '../egress/egress.ts'
import { createGateway } from '../gateway/gateway.ts'
import { openPeerReader } from '../identity/peer.ts'
import { createSessions } from '../identity/sessions.ts'
import { createNetwork, type Network } from '../network/network.ts'
import type { ProviderPlugin } from '../provider/contract.ts'
import { systemKeychain } from '../store/keychain.ts'
import { openSealer } from '../store/sealer.ts'
import { openStore } from '../store/sqlite.ts'
import { createApi } from './api.ts'
import { openConfiguration } from './configuration.ts'
import { guardFolder, guardProcess, hardenProcess } from './guard.ts'
import { createLauncher } from './launch.ts'
import { storeLock } from './lock.ts'
import { createLogger } from './log.ts'
import { endOrphans } from './orphans.ts'
import { Registry } from './registry.ts'
import { createVault } from './vault.ts'
import type { Daemon } from './types.ts'

const revokeAtStop = 5000
const checkpointEvery = 60_000

/** Composes the parts, in the order that safety asks for, and runs until it is stopped. */
export async function runDaemon(options: { providers: readonly ProviderPlugin[]; foreground: boolean }): Promise<void> {
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
  const store = openStore(paths.database)
  const hardening = await hardenProcess()
  endOrphans(store.children, log)
  const keychain = process.env['JIT_KEYCHAIN'] === 'off' ? undefined : await systemKeychain()
  const sealer = await openSealer({ store, stateFolder: paths.state, keychain, log })

  const audit = openAudit({ folder: paths.auditFolder, sync: 'batch', segmentBytes: 64 * 1024 * 1024, clock, log, meta: store.meta })
  let network: Network | undefined
  let networkInForce = ''
  const registry = new Registry({ plugins: options.providers, clock, log, fetch: () => network?.fetch ?? fetch })
  const presets = loadPresets(presetFolder())
  const configuration = openConfiguration({
    file: paths.configFile,
    store,
    check: { kinds: new Map(options.providers.map((plugin) => [plugin.kind, plugin.config])), presets },
    audit: () => audit,
    clock,
    facts: (loaded) => registry.facts(loaded),
    onApplied: () => applyConfig(),
  })
  const config = () => configuration.current.loaded.config
  const approvals = createApprovals({ timeout: () => config().approvals.timeout, clock, audit })
  const broker = createBroker({
    store,
    sealer,
    provider: (name) => registry.get(name),
    audit,
    clock,
    log,
    mintTimeout: config().network.timeout,
  })
  broker.locked = store.meta.get('locked') === 'yes'
  const vault = createVault({ store, sealer, registry, log })

  function applyConfig(): void {
    const wanted = JSON.stringify(config().network)
    if (wanted !== networkInForce) {
      void network?.close()
      network = createNetwork(config().network, dirname(paths.configFile))
      networkInForce = wanted
    }
    registry.use(configuration.current.loaded)
    audit.configure({ sync: config().audit.sync, segmentBytes: config().audit.segmentBytes })
  }
  applyConfig()
  /** What needs the store's key: provider secrets, the trail's signer, leases that the last daemon left. */
  const onUnsealed = async (): Promise<void> => {
    await vault.load()
    audit.setSigner(
      await openSigner({
        get: async () => {
          const sealed = store.secrets.get('audit/signing-key')
          return sealed === undefined ? undefined : sealer.open(sealed, 'audit/signing-key')
        },
        set: async (secret: Secret) => store.secrets.set('audit/signing-key', await sealer.seal(secret, 'audit/signing-key')),
      }),
    )
    await broker.recover()
  }
  if (sealer.state === 'open') await onUnsealed()

  const currentNetwork = (): Network => {
    if (network === undefined) throw new JitError('internal', 'the network is not configured yet')
    return network
  }
  const egress = await createEgress({
    folder: paths.state,
    network: {
      get fetch() {
        return currentNetwork().fetch
      },
      get httpAgent() {
        return currentNetwork().httpAgent
      },
      get httpsAgent() {
        return currentNetwork().httpsAgent
      },
      get timeout() {
        return currentNetwork().timeout
      },
      close: () => currentNetwork().close(),
    },
    audit,
    clock,
    log,
    liveSecrets: () => broker.liveSecrets(),
    secretsVersion: () => broker.secretsVersion,
  })
  await egress.listen()

  const readPeer = await openPeerReader()
  const sessions = createSessions()
  const launcher = createLauncher({ store, audit: () => audit, packages: paths.packages, baseFolder: dirname(paths.configFile), config })
  const gateway = createGateway({
    config,
    policy: () => configuration.current.policy,
    broker,
    egress,
    audit,
    approvals,
    children: store.children,
    launch: (server) => launcher.launch(server),
    placeholder: (provider) => registry.placeholder(provider),
    origin: (provider) => registry.get(provider)?.origin ?? '',
    identify: (socket, hello) => sessions.enter(readPeer?.(socket), hello),
    clock,
    log,
  })

  const stopping = new AbortController()
  const daemon: Daemon = {
    startedAt: clock.now(),
    paths,
    clock,
    log,
    store,
    sealer,
    audit,
    configuration,
    approvals,
    broker,
    registry,
    vault,
    gateway,
    sessions,
    launcher,
    hardening,
    peerKnown: readPeer !== undefined,
    onUnsealed,
    stop: () => stopping.abort(),
  }
  const api = await createApi(daemon)
  const connections = createServer((socket) => gateway.accept(socket))
  audit.append({ type: 'daemon.started', detail: { pid: process.pid, node: process.version, policy: configuration.current.policy.digest } })
  await listenOn(connections, paths.connectSocket)
  rmSync(paths.apiSocket, { force: true })
  await api.listen({ path: paths.apiSocket })
  log.info('daemon started', { home: paths.state, config: paths.configFile, locked: broker.locked, store: sealer.state })
  if (options.foreground) process.stderr.write(`jit daemon runs (pid ${process.pid}); Ctrl-C stops it\n`)

  const tick = setInterval(() => void audit.checkpoint(), checkpointEvery)
  tick.unref()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => stopping.abort())
  await new Promise<void>((settle) => stopping.signal.addEventListener('abort', () => settle(), { once: true }))

  log.info('daemon stops')
  clearInterval(tick)
  connections.close()
  const reason = new JitError('daemon.restarted', 'the daemon stopped')
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
  await network?.close()
  storeLock(daemon)
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

/** `config/presets` beside the package, from source and from dist. */
function presetFolder(): string {
  for (const folder of ['../../config/presets', '../../../config/presets']) {
    const found = resolve(import.meta.dirname, folder)
    if (existsSync(found)) return found
  }
  throw new JitError('internal', 'the folder config/presets is missing from this installation')
}

/** Version of the package, for status. */
export function packageVersion(): string {
  for (const folder of ['../..', '../../..']) {
    const file = join(import.meta.dirname, folder, 'package.json')
    if (existsSync(file)) {
      const { version }: { version?: string } = JSON.parse(readFileSync(file, 'utf8'))
      if (version !== undefined) return version
    }
  }
  return 'unknown'
}
