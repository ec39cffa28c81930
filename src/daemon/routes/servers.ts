import { existsSync } from 'node:fs'
import { addServer, type ExplainView, explainRequest, type ServerView, updateServer } from '../../api/schema.ts'
import type { ServerConfig } from '../../config/schema.ts'
import { selfServer } from '../../config/self.ts'
import { JitError, quote } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { type Dialled, hostsLine, localAddress } from '../../core/local-address.ts'
import type { Decision } from '../../core/types.ts'
import { readHosts } from '../../network/hosts.ts'
import { makeOperation } from '../../policy/operation.ts'
import { withRemoteDefaults } from '../remote-defaults.ts'
import { byCommandLine, nameIn, refuseGone, type Routes } from './route.ts'
import type { Daemon } from '../types.ts'

export function serverRoutes(daemon: Daemon): Routes {
  const { configuration, launcher } = daemon
  const entries = () => configuration.current.loaded.config.servers
  const view = async (name: string, server: ServerConfig): Promise<ServerView> => ({
    name,
    run: server.run ?? [],
    url: server.url ?? '',
    provider: server.provider ?? '',
    preset: server.preset ?? '',
    mode: server.provider === undefined ? '' : server.inject.mode,
    ...(server.url === undefined ? {} : { transport: server.transport ?? 'streamable-http' }),
    allow: server.allow,
    ask: server.ask,
    pin: launcher.pin(name),
    sandbox: await daemon.sandbox.judge(server),
    http: daemon.http.address === '' ? '' : `${daemon.http.address}/mcp/${name}`,
  })
  const views = (): Promise<ServerView[]> => Promise.all(Object.entries(entries()).map(([name, server]) => view(name, server)))
  const isThere = (name: string): boolean => Object.hasOwn(entries(), name)
  const known = (name: string): void => {
    if (name === selfServer)
      throw new JitError('usage', `${quote(name)} is jit’s own server, and none of the config file`, {
        hint: '`self` in the config file says what agents may do there: off, read or propose.',
      })
    if (!isThere(name)) throw new JitError('not-found', `there is no server ${quote(name)}`)
  }
  const refuseSecond = ({ name, replace }: { name: string; replace: boolean }): void => {
    if (!isThere(name) || replace) return
    throw new JitError('conflict', `there is a server ${quote(name)} already`, { hint: 'Choose another name, or give --replace.' })
  }
  return {
    servers: views,
    /** Its program is found and installed first; then config and pin change together, or nothing does. */
    addServer: async (request, reply) => {
      const asked = addServer.parse(request.body)
      const entry = withRemoteDefaults(asked.entry, daemon.registry)
      refuseSecond(asked)
      const dial = dialOf(daemon, entry, asked.dial)
      const set = { set: 'servers', name: asked.name, entry, ...(dial === undefined ? {} : { dial }) } as const
      const server = configuration.draft(set).servers[asked.name]
      if (server === undefined) throw new JitError('internal', `the server ${quote(asked.name)} is not in the config that names it`)
      const pinning = await launcher.prepare(asked.name, server, asked.registry)
      try {
        refuseGone(reply)
        refuseSecond(asked)
        configuration.edit(set, byCommandLine, {
          write: () => pinning.write(),
          records: [
            ...(pinning.record === undefined ? [] : [pinning.record]),
            { type: 'server.added', by: byCommandLine, detail: { name: asked.name, entry } },
          ],
        })
      } finally {
        pinning.done()
      }
      return (await views()).find(({ name }) => name === asked.name)
    },
    updateServer: async (request, reply) => {
      const name = nameIn(request)
      known(name)
      if (entries()[name]?.url !== undefined)
        throw new JitError('usage', `the server ${quote(name)} is a remote one: there is nothing to install and to pin`, {
          hint: 'Whoever runs it updates it. `jit update` is for local servers.',
        })
      const { registry } = updateServer.parse(request.body ?? {})
      const before = launcher.pin(name)
      const pin = await launcher.update(name, registry, () => refuseGone(reply))
      return { name, before, pin }
    },
    removeServer: async (request) => {
      const name = nameIn(request)
      known(name)
      const receipts = await daemon.broker.revoke({ server: name }, 'revoked', 10_000)
      configuration.edit({ remove: 'servers', name }, byCommandLine, {
        write: () => launcher.forget(name),
        records: [{ type: 'server.removed', by: byCommandLine, detail: { name } }],
      })
      await daemon.gateway.stop(name, new JitError('not-found', `server ${quote(name)} was removed`))
      launcher.prune()
      return { removed: name, receipts }
    },
    serverTools: (request) => {
      const name = nameIn(request)
      known(name)
      return daemon.gateway.tools(name)
    },
    explain: (request) => {
      const { server, tool, args } = explainRequest.parse(request.body)
      // Policy governs jit's own server like any other.
      if (server !== selfServer) known(server)
      else if (configuration.current.loaded.config.self === 'off')
        throw new JitError('not-found', `${quote(server)} is jit’s own server, and \`self: off\` in the config file takes it away`, {
          hint: 'Write `self: read` or `self: propose` there, and run `jit config apply`.',
        })
      return explain(daemon, server, tool, args as JsonObject)
    },
  }
}

/**
 * What `network.hosts` has to get so that the server is reached. What listens on this machine often asks nobody who they are: so that
 * it is dialled is a person's word, for just the address that they were shown.
 */
function dialOf({ configuration, paths }: Daemon, { url }: JsonObject, accepted: Dialled | undefined): Dialled | undefined {
  const local = typeof url === 'string' ? localAddress(url) : undefined
  const { hosts } = configuration.current.loaded.config.network
  if (local !== undefined && readHosts(hosts).find(...splitHost(local.name)) !== undefined) return undefined
  if (accepted !== undefined && (accepted.name !== local?.name || accepted.address !== local.address))
    throw new JitError('usage', `${quote(accepted.name)} → ${quote(accepted.address)} is not what this server needs`)
  if (local === undefined || accepted !== undefined) return local
  throw new JitError(
    'usage',
    `${quote(local.name)} is on this machine, and jit dials what is on it only where \`network.hosts\` says so; nothing was added`,
    {
      hint: `${toWrite(local, configuration.current.loaded.text, paths.configFile)}, run \`jit config apply\`, and give this command again; at a terminal it asks.`,
      details: { dial: { ...local } },
    },
  )
}

/** The line for the config file, whatever stands there already. */
function toWrite(local: Dialled, text: string, file: string): string {
  if (/^network:/m.test(text))
    return `Add \`${JSON.stringify(local.name)}: ${JSON.stringify(local.address)}\` to \`network.hosts\` in ${file}`
  const first = existsSync(file) ? '' : '`version: 1` and, below it, '
  return `Write ${first}\`${hostsLine(local)}\` into ${file}`
}

function splitHost(name: string): [name: string, port: number] {
  const at = name.lastIndexOf(':')
  return [name.slice(0, at).replace(/^\[|\]$/g, ''), Number(name.slice(at + 1))]
}

function sentTo({ configuration }: Daemon, name: string): { sent?: { header: string; origin: string } } {
  const { url, inject } = configuration.current.loaded.config.servers[name] ?? {}
  return url === undefined ? {} : { sent: { header: inject?.header?.name ?? 'Authorization', origin: new URL(url).origin } }
}

/** Policy is not asked while jit is locked, and nothing is minted while the store is sealed. */
function heldBy({ broker, sealer }: Daemon, decision: Decision): ExplainView['held'] {
  if (broker.locked) return 'locked'
  const mints = decision.effect !== 'deny' && decision.grant.credential === 'lease'
  return mints && sealer.state === 'sealed' ? 'sealed' : ''
}

/** The decision for a call that is not made: nothing is minted, started or recorded. */
function explain(daemon: Daemon, server: string, tool: string, args: JsonObject): unknown {
  const decision = daemon.configuration.current.policy.decide(makeOperation({ server, kind: 'tool', name: tool, args, definition: '' }))
  const held = heldBy(daemon, decision)
  const shared = {
    effect: decision.effect,
    held,
    rule: { source: decision.rule.source, path: decision.rule.path },
    used: { ...decision.used },
  }
  if (decision.effect === 'deny') return { ...shared, reason: decision.reason, resource: '' }
  const { grant } = decision
  if (grant.credential === 'none')
    return {
      ...shared,
      reason: '',
      resource: decision.resource,
      grant: { credential: 'none', provider: '', scope: {}, requests: [], ttl: 0, lifetime: 'call', partition: '' },
    }
  const provider = daemon.registry.get(grant.provider)
  return {
    ...shared,
    reason: '',
    resource: decision.resource,
    grant: {
      credential: 'lease',
      provider: grant.provider,
      scope: { ...grant.scope },
      asks: provider?.asks?.(grant.scope),
      requests: grant.requests.map((rule) => rule.text),
      ...sentTo(daemon, server),
      handedOver: /^(env|credentials)$/.test(daemon.configuration.current.loaded.config.servers[server]?.inject.mode ?? ''),
      ttl: Math.min(grant.ttl, provider?.maxTtl ?? Number.POSITIVE_INFINITY),
      lifetime: grant.lifetime,
      partition: daemon.broker.partition(grant),
    },
  }
}
