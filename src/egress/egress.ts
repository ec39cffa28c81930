import { randomBytes } from 'node:crypto'
import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, quote } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import type { Network } from '../network/network.ts'
import { type Authority, createAuthorities } from './authority.ts'
import { openDoors } from './doors.ts'
import { openEndpoint } from './endpoint.ts'
import { createInner } from './inner.ts'
import { heldByAll, Lane, socketsPerLane } from './lane.ts'
import { listenOnLoopback } from './listen.ts'
import { createProxy, mostWaiting } from './proxy.ts'
import { createRefusals } from './refusals.ts'
import { Room } from './room.ts'
import { createScrubbers, type LiveSecrets } from './scrubbers.ts'
import type { Egress, LaneEgress, LaneNetwork } from './types.ts'

export interface EgressDeps extends LiveSecrets {
  /** The state folder: certificates of the local authorities are written there, keys never. */
  readonly folder: string
  readonly network: Network
  readonly audit: AuditSink
  readonly clock: Clock
  readonly log: Logger
  /** Connections at once: of one lane, and of those that have not shown whose they are. */
  readonly limits?: { readonly perLane: number; readonly waiting: number }
}

/**
 * Where servers' own HTTP requests meet the credentials: a CONNECT proxy for all lanes and a base-URL listener for each lane
 * that wants one. Both hand their connections to one HTTP server, which judges every request by itself.
 */
export async function createEgress(deps: EgressDeps): Promise<Egress> {
  const { audit, clock, log, network, limits = { perLane: socketsPerLane, waiting: mostWaiting } } = deps
  const lanes = new Map<string, { lane: Lane; authority: Authority; end: () => void }>()
  const authorities = createAuthorities(deps.folder, clock)
  const recording = { audit, clock, log, scrub: (text: string) => deps.scrubber().scrubText(text) }
  const strangers = createRefusals(recording, { server: '', lane: '', placeholder: '' })
  const inner = createInner({ network, clock, log, scrubberFor: createScrubbers(deps) })
  const proxy = createProxy({ inner, clock, lane: (name) => lanes.get(name), strangers, mostWaiting: limits.waiting })
  const room = new Room(heldByAll)
  let proxyPort = 0

  return {
    async listen() {
      proxyPort = await listenOnLoopback(proxy)
    },
    async openLane(asked): Promise<LaneNetwork> {
      checkPlaceholder(asked)
      const options = { ...asked, origins: canonical(asked.origins), open: canonical(asked.open) }
      const nonce = randomBytes(24).toString('base64url')
      const lane = new Lane(options, nonce, createRefusals(recording, options), limits.perLane, room)
      const authority = await authorities.get(hostsOf(options))
      const endpoint = options.endpoint === undefined ? undefined : await openEndpoint(inner, lane, options.endpoint)
      const doors =
        options.doors === undefined
          ? undefined
          : await openDoors({ folder: options.doors, lane, authority, proxyPort, endpoint, inner, clock, mostWaiting: limits.perLane })
      const end = (): void => {
        lanes.delete(options.lane)
        endpoint?.close()
        doors?.close()
        lane.close()
      }
      lanes.set(options.lane, { lane, authority, end })
      return {
        proxyUrl: `http://${options.lane}:${lane.nonce}@127.0.0.1:${proxyPort}`,
        caFile: authority.caFile,
        endpointUrl: endpoint?.url,
        doors: doors?.doors ?? [],
        begin: (call) => lane.begin(call),
        close: end,
      }
    },
    async close() {
      for (const { end } of lanes.values()) end()
      strangers.flush()
      inner.close()
      await new Promise((resolve) => {
        proxy.close(resolve)
        proxy.closeAllConnections()
      })
      authorities.close()
    },
  }
}

/** A short one would be found in ordinary text, and everybody could guess it. */
function checkPlaceholder({ lane, placeholder }: LaneEgress): void {
  if (placeholder.length < 16) throw new JitError('internal', `lane ${quote(lane)} has a placeholder of ${placeholder.length} characters`)
}

/** As URLs spell them: lower case, without a default port. What is no URL is left out: it can match nothing. */
function canonical(origins: ReadonlySet<string>): Set<string> {
  return new Set([...origins].filter((origin) => URL.canParse(origin)).map((origin) => new URL(origin).origin))
}

/** The names that a lane's children may see certificates for. */
function hostsOf({ origins, open }: LaneEgress): Set<string> {
  const urls = [...origins, ...open].map((origin) => new URL(origin))
  return new Set(urls.filter(({ protocol }) => protocol === 'https:').map(({ hostname }) => hostname.replace(/^\[|\]$/g, '')))
}
