import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { createApprovals } from '../approval/queue.ts'
import { createBroker } from '../broker/broker.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Network } from '../network/network.ts'
import type { ProviderPlugin } from '../provider/contract.ts'
import { createProposals } from '../selfservice/proposals.ts'
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { createBuilder, type Entered } from './builder.ts'
import { endWhatChanged } from './changes.ts'
import { openConfiguration } from './configuration.ts'
import { packageVersion } from './installation.ts'
import type { Http } from './http.ts'
import { createLauncher } from './launch.ts'
import { createLockState } from './lock.ts'
import { createPackages } from './packages.ts'
import { createPrincipalTokens } from './principal-keys.ts'
import { Registry } from './registry.ts'
import { createSandbox } from '../sandbox/sandbox.ts'
import { createSigning } from './signing.ts'
import type { Daemon } from './types.ts'
import { createVault } from './vault.ts'

type Ground = Pick<Daemon, 'paths' | 'clock' | 'log' | 'store' | 'sealer' | 'audit' | 'presets'>

export interface PartsDeps extends Ground {
  readonly plugins: readonly ProviderPlugin[]
}

type Made =
  | 'sandbox'
  | 'configuration'
  | 'approvals'
  | 'broker'
  | 'lock'
  | 'signing'
  | 'registry'
  | 'vault'
  | 'launcher'
  | 'proposals'
  | 'onUnsealed'

export interface Parts extends Ground, Pick<Daemon, Made> {
  readonly telemetry: Telemetry
  /** The one of the config in force. */
  network(): Network
  /**
   * From here on a change of config ends in this gateway, and upstream, what it took the place of, and moves the HTTP door; nothing
   * runs before.
   */
  attach(gateway: Gateway, http: Pick<Http, 'listen'>): void
}

/** What works by the config in force, from the providers to the broker, on a store and a trail that are open. Starts nothing. */
export async function composeParts({ plugins, ...ground }: PartsDeps): Promise<Parts> {
  const { paths, clock, log, store, sealer, audit, presets } = ground
  const signing = createSigning({ store, sealer, audit, log })
  const check = { kinds: new Map(plugins.map((plugin) => [plugin.kind, plugin.config])), presets }
  const registry = new Registry({
    plugins,
    clock,
    log,
    fetch: () => builder.network.fetch,
    isSealed: () => sealer.state === 'sealed',
    seal: (...renewed) => vault.renew(...renewed),
    principalToken: createPrincipalTokens({ store, sealer, folder: paths.state, clock }),
  })
  const vault = createVault({ store, sealer, registry, log })
  const telemetry = createTelemetry({ version: packageVersion(), clock, log })
  let follow: (config: Config, change: Entered) => void = () => undefined
  const builder = createBuilder({
    registry,
    presets,
    configFile: paths.configFile,
    clock,
    log,
    entered(config, change) {
      audit.configure({ sync: config.audit.sync, segmentBytes: config.audit.segmentBytes })
      telemetry.configure(config.telemetry.endpoint)
      follow(config, change)
    },
  })
  if (sealer.state === 'open') await vault.load()
  const configuration = openConfiguration({
    file: paths.configFile,
    store,
    audit,
    presets,
    clock,
    log,
    load: (text) => loadConfig(paths.configFile, text, check),
    build: (loaded, how) => builder.build(loaded, how),
  })
  const config = () => configuration.current.loaded.config
  const broker = createBroker({
    store,
    sealer,
    provider: (name) => registry.get(name),
    audit,
    clock,
    log,
    get mintTimeout() {
      return config().network.timeout
    },
  })
  const lock = createLockState({ folder: paths.state, meta: store.meta, clock, log })
  broker.locked = lock.locked
  const packages = createPackages({ folder: paths.packages, log })
  return {
    ...ground,
    configuration,
    approvals: createApprovals({ timeout: () => config().approvals.timeout, clock, audit }),
    broker,
    lock,
    signing,
    registry,
    vault,
    sandbox: createSandbox({
      folder: join(paths.runtime, 'box'),
      places: { home: userInfo().homedir, hidden: [paths.state, paths.runtime], fixed: [dirname(paths.configFile)] },
      baseFolder: dirname(paths.configFile),
      clock,
      config,
    }),
    launcher: createLauncher({ store, audit, packages, baseFolder: dirname(paths.configFile), config }),
    proposals: createProposals({ meta: store.meta, audit, clock, log }),
    telemetry,
    network: () => builder.network,
    attach(gateway, http) {
      follow = (next, change) => {
        endWhatChanged({ broker, gateway, registry, clock, log }, change)
        void http.listen(next.http?.port)
      }
    },
    async onUnsealed() {
      await vault.load()
      configuration.retry()
      await signing.ensure()
      await broker.recover()
    },
  }
}
