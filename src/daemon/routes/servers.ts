import { addServer, explainRequest, type ServerView } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { makeOperation } from '../../policy/operation.ts'
import { byCommandLine, nameIn, type Routes } from '../api.ts'
import type { Daemon } from '../types.ts'

export function serverRoutes(daemon: Daemon): Routes {
  const { configuration, launcher } = daemon
  const entries = () => configuration.current.loaded.config.servers
  const views = (): ServerView[] =>
    Object.entries(entries()).map(([name, server]) => ({
      name,
      run: server.run ?? [],
      url: server.url ?? '',
      provider: server.provider ?? '',
      preset: server.preset ?? '',
      mode: server.provider === undefined ? '' : server.inject.mode,
      allow: server.allow,
      ask: server.ask,
      pin: launcher.pin(name),
    }))
  const known = (name: string): void => {
    if (entries()[name] === undefined) throw new JitError('not-found', `there is no server ${quote(name)}`)
  }
  return {
    servers: views,
    addServer: async (request) => {
      const asked = addServer.parse(request.body)
      const before = entries()[asked.name]
      if (before !== undefined && !asked.replace)
        throw new JitError('conflict', `there is a server ${quote(asked.name)} already`, {
          hint: 'Choose another name, or give --replace.',
        })
      configuration.edit({ set: 'servers', name: asked.name, entry: asked.entry as JsonObject }, byCommandLine)
      launcher.forget(asked.name)
      try {
        await launcher.update(asked.name)
      } catch (error) {
        if (before === undefined) configuration.edit({ remove: 'servers', name: asked.name }, byCommandLine)
        throw error
      }
      daemon.audit.append({ type: 'server.added', by: byCommandLine, detail: { name: asked.name, entry: asked.entry as JsonObject } })
      return views().find((view) => view.name === asked.name)
    },
    updateServer: async (request) => {
      const name = nameIn(request)
      known(name)
      const before = launcher.pin(name)
      const pin = await launcher.update(name)
      return { name, before, pin }
    },
    removeServer: async (request) => {
      const name = nameIn(request)
      known(name)
      const receipts = await daemon.broker.revoke({ server: name }, 'revoked', 10_000)
      configuration.edit({ remove: 'servers', name }, byCommandLine)
      await daemon.gateway.stop(name, new JitError('not-found', `server ${quote(name)} was removed`))
      launcher.forget(name)
      daemon.audit.append({ type: 'server.removed', by: byCommandLine, detail: { name } })
      return { removed: name, receipts }
    },
    explain: (request) => {
      const { server, tool, args } = explainRequest.parse(request.body)
      known(server)
      return explain(daemon, server, tool, args as JsonObject)
    },
  }
}

/** The decision for a call that is not made: nothing is minted, started or recorded. */
function explain(daemon: Daemon, server: string, tool: string, args: JsonObject): unknown {
  const decision = daemon.configuration.current.policy.decide(makeOperation({ server, kind: 'tool', name: tool, args, definition: '' }))
  const shared = { effect: decision.effect, rule: { source: decision.rule.source, path: decision.rule.path }, used: { ...decision.used } }
  if (decision.effect === 'deny') return { ...shared, reason: decision.reason, resource: '' }
  const { grant } = decision
  if (grant.credential === 'none')
    return {
      ...shared,
      reason: '',
      resource: decision.resource,
      grant: { credential: 'none', provider: '', scope: {}, requests: [], ttl: 0, lifetime: 'call', partition: '' },
    }
  return {
    ...shared,
    reason: '',
    resource: decision.resource,
    grant: {
      credential: 'lease',
      provider: grant.provider,
      scope: { ...grant.scope },
      requests: grant.requests.map((rule) => rule.text),
      ttl: grant.ttl,
      lifetime: grant.lifetime,
      partition: daemon.broker.partition(grant),
    },
  }
}
