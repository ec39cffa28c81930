import { type Change, diffEntries, differing, diffNumber, diffRank, diffSet } from './diff-parts.ts'
import { diffServer } from './diff-server.ts'
import type { Judge } from './diff-tools.ts'
import { formatDuration } from './duration.ts'
import type { Config } from './schema.ts'

/** Every difference in meaning. A direction that cannot be told counts as `wider`. */
export function diffConfig(before: Config | undefined, after: Config, judge: Judge): Change[] {
  const old: Partial<Config> = before ?? {}
  return [
    ...diffEntries('providers', old.providers ?? {}, after.providers, (path, from, to) => differing(path, from, to, 'wider')),
    ...diffEntries('servers', old.servers ?? {}, after.servers, (path, from, to) =>
      diffServer(path, from, to, before ?? after, after, judge),
    ),
    ...(before === undefined ? [] : diffSettings(before, after)),
  ]
}

function diffSettings(before: Config, after: Config): Change[] {
  const limits = (['messageBytes', 'resultBytes', 'depth', 'keys'] as const).flatMap((name) =>
    diffNumber(`limits.${name}`, before.limits[name], after.limits[name], String),
  )
  return [
    ...diffNumber('ttl', before.ttl, after.ttl, formatDuration),
    ...diffRank('lifetime', ['call', 'ttl'], before.lifetime, after.lifetime),
    ...diffRank('self', ['off', 'read', 'propose'], before.self, after.self),
    ...differing('approvals', before.approvals, after.approvals, 'other'),
    ...diffRank('audit.sync', ['each', 'batch'], before.audit.sync, after.audit.sync),
    ...diffRank('audit.arguments', ['full', 'digest', 'none'], before.audit.arguments, after.audit.arguments),
    ...differing('audit.meta', before.audit.meta, after.audit.meta, 'other'),
    ...differing('audit.segmentBytes', before.audit.segmentBytes, after.audit.segmentBytes, 'other'),
    // A door that opens is wider, one that moves is not; one that closes is narrower.
    ...differing('http', before.http, after.http, before.http === undefined ? 'wider' : after.http === undefined ? 'narrower' : 'other'),
    ...limits,
    ...differing('network.hosts', before.network.hosts, after.network.hosts, 'wider'),
    ...diffSet('network.ca', before.network.ca, after.network.ca, 'wider'),
    ...differing('network.timeout', before.network.timeout, after.network.timeout, 'other'),
    ...diffTelemetry(before.telemetry.endpoint, after.telemetry.endpoint),
  ]
}

/** Who calls what goes there, so another address is wider. */
function diffTelemetry(before: string | undefined, after: string | undefined): Change[] {
  return differing('telemetry.endpoint', before, after, after === undefined ? 'narrower' : 'wider')
}
