import type { Lease } from '../../broker/types.ts'
import type { ServerConfig } from '../../config/schema.ts'
import { JitError } from '../../core/errors.ts'
import type { Box } from '../../sandbox/types.ts'
import { boxLaunch, nobody } from './boxed.ts'
import { type CredentialsEndpoint, openCredentialsEndpoint } from '../inject/credentials.ts'
import { injectedEnvironment } from '../inject/environment.ts'
import type { LaneSettings } from './settings.ts'
import { Standing } from '../inject/standing.ts'
import type { GatewayDeps, LaunchSpec } from '../types.ts'
import { Remote } from '../upstream/http/remote.ts'
import { type LocalServer, LocalUpstream } from '../upstream/local.ts'
import { Child } from '../upstream/stdio.ts'
import type { Upstream, UpstreamEvents } from '../upstream/upstream.ts'
import type { Wire } from './wire.ts'

/** What a start needs of the lane that it is for. */
export interface StartingLane extends UpstreamEvents {
  readonly id: string
  readonly options: LaneSettings
  readonly wire: Wire
  /** Undefined while the lane lives. A start takes a while: what it opens for a lane that ended meanwhile is closed again. */
  ended(): JitError | undefined
  /** From here on it is the lane's, and the lane closes it. */
  use(upstream: Upstream): void
  warn(message: string, text: () => string): void
}

/** How a lane comes to its upstream: a child with its box, its wire and its environment; a remote server; or one of jit's own. */
export class LaneStart {
  readonly #deps: GatewayDeps
  readonly #lane: StartingLane
  #credentials: CredentialsEndpoint | undefined
  #box: Box | undefined

  constructor(deps: GatewayDeps, lane: StartingLane) {
    this.#deps = deps
    this.#lane = lane
  }

  /** Answers the pin of what runs; empty for a remote server, which is not ours to pin. Throws `server.start`, `server.pin`, `not-found`. */
  async run(): Promise<string> {
    const { options, wire } = this.#lane
    const { server, lease } = options
    const local = this.#deps.local?.(server)
    if (local !== undefined) return this.#join(local)
    const config = this.#deps.config().servers[server]
    if (config === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)}`)
    if (config.url !== undefined) return this.#reach(config, config.url)
    const launch = await this.#deps.launch(server)
    try {
      this.#throwIfEnded()
      this.#deps.sandbox.check(server, launch, launch.environment['PATH'] ?? '')
      const box = await this.#openBox()
      const closed = box?.network === 'broker'
      const standIn = config.provider !== undefined ? this.#deps.standIn(config.provider) : closed ? nobody() : undefined
      const { mode } = config.inject
      const redirected = closed || mode === 'egress' || mode === 'endpoint'
      if (standIn !== undefined && redirected) await wire.open(config, standIn, closed ? box?.folder : undefined)
      if (mode === 'credentials' && lease !== undefined) await this.#openCredentials(lease)
      const injected = standIn === undefined ? {} : injectedEnvironment(config.inject, standIn, wire.network, lease)
      const provided = { ...standIn?.environment(redirected), ...this.#credentials?.environment }
      const whole = { ...provided, ...launch.environment, ...injected }
      const boxed = boxLaunch(this.#deps, { name: server, config }, box, wire.network, launch, whole)
      const child = this.#startChild(boxed.launch, boxed.environment)
      this.#lane.use(child)
      this.#deps.audit.append({
        type: 'server.started',
        server,
        lane: this.#lane.id,
        detail: {
          pid: child.pid,
          pin: launch.pin,
          mode: config.provider === undefined ? 'none' : config.inject.mode,
          sandbox: box?.kind ?? 'none',
        },
      })
      return launch.pin
    } catch (error) {
      launch.release?.()
      throw error
    }
  }

  /** Must not stay when the lane ended meanwhile. */
  async #openBox(): Promise<Box | undefined> {
    const box = await this.#deps.sandbox.open(this.#lane.options.server)
    if (this.#lane.ended() !== undefined) box?.close()
    this.#throwIfEnded()
    this.#box = box
    return box
  }

  /** A server of jit's own: nothing to start. */
  async #join(local: LocalServer): Promise<string> {
    const { server, principal } = this.#lane.options
    const upstream = new LocalUpstream({ onLine: (line) => this.#lane.onLine(line) })
    this.#lane.use(upstream)
    await upstream.open(local, principal)
    this.#throwIfEnded()
    this.#deps.audit.append({ type: 'server.started', server, lane: this.#lane.id, detail: { pid: 0, pin: local.pin, mode: 'none' } })
    return local.pin
  }

  async #openCredentials(lease: Lease): Promise<void> {
    const { clock, handover: folder } = this.#deps
    const endpoint = await openCredentialsEndpoint({ lane: this.#lane.id, lease, folder, clock })
    if (this.#lane.ended() !== undefined) endpoint.close()
    this.#throwIfEnded()
    this.#credentials = endpoint
  }

  #startChild(launch: LaunchSpec, environment: Readonly<Record<string, string>>): Child {
    const { id, options } = this.#lane
    return new Child({
      server: options.server,
      lane: id,
      launch,
      environment,
      children: this.#deps.children,
      clock: this.#deps.clock,
      log: this.#deps.log,
      cap: this.#deps.config().limits.resultBytes,
      scrub: (text) => options.scrub(text),
      ...eventsOf(this.#lane),
    })
  }

  /** A remote server is reached when it is first asked. */
  #reach(config: ServerConfig, url: string): string {
    const { id, options, warn } = this.#lane
    const { server, toolHeaders } = options
    const { clock, log, network } = this.#deps
    const remote = new Remote({
      server,
      url: new URL(url),
      transport: config.transport ?? 'streamable-http',
      inject: config.inject,
      network,
      clock,
      log,
      standing: new Standing(this.#deps, server, id),
      tools: toolHeaders,
      cap: () => this.#deps.config().limits.resultBytes,
      scrub: (text) => options.scrub(text),
      warn,
      ...eventsOf(this.#lane),
    })
    this.#lane.use(remote)
    const { origin, pathname } = new URL(url)
    const mode = config.provider === undefined ? 'none' : config.inject.mode
    this.#deps.audit.append({ type: 'server.started', server, lane: this.#lane.id, detail: { url: `${origin}${pathname}`, mode } })
    return ''
  }

  #throwIfEnded(): void {
    const reason = this.#lane.ended()
    if (reason !== undefined) throw reason
  }

  /** What stands around the upstream; the lane closes that itself. */
  close(): void {
    this.#credentials?.close()
    this.#box?.close()
  }
}

function eventsOf({ onLine, onTooLong, onStream, onFailed, onEnd }: UpstreamEvents): UpstreamEvents {
  return { onLine, onTooLong, onStream, onFailed, onEnd }
}
