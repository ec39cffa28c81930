import type { AuditEvent, AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/types.ts'

type RefusedEvent = Extract<AuditEvent, { type: 'egress.refused' }>

export interface Refusal {
  readonly method: string
  readonly origin: string
  /** Request target as it came. */
  readonly path: string
  readonly reason: string
  readonly call?: string
}

/** Writes what egress refused to the trail, and counts what it leaves out. */
export interface Refusals {
  record(refusal: Refusal): void
  /** Writes the count of what was left out since the last record. */
  flush(): void
}

const burst = 100
const perSecond = 2
const pathCap = 500
/** It may have a header's name in it, or a host's. */
const reasonCap = 500

/**
 * Records refusals of one lane (or of clients that are nobody's). A server that is refused in a loop must not fill the disk:
 * beyond `burst` records only `perSecond` are written, and the next one says how many were not. A refusal stands whether
 * or not it can be written.
 */
export function createRefusals(
  deps: { readonly audit: AuditSink; readonly clock: Clock; readonly log: Logger; scrub(text: string): string },
  lane: { readonly server: string; readonly lane: string; readonly placeholder: string },
): Refusals {
  let tokens = burst
  let last = deps.clock.monotonic()
  let skipped = 0
  const write = (refusal: Refusal): void => {
    const { method, origin, path, reason, call } = refusal
    const more = skipped === 0 ? '' : ` (${skipped} more before this were refused and not written)`
    const event: RefusedEvent = {
      type: 'egress.refused',
      server: lane.server,
      lane: lane.lane,
      ...(call === undefined ? {} : { call }),
      // Whoever asks may know another server's credential, and have it written down here.
      request: {
        method: method.slice(0, 40),
        origin: deps.scrub(origin).slice(0, 300),
        path: deps.scrub(shown(path, lane.placeholder)).slice(0, pathCap),
      },
      reason: `${deps.scrub(reason).slice(0, reasonCap)}${more}`,
    }
    try {
      deps.audit.append(event)
      skipped = 0
    } catch (error) {
      deps.log.error('refusal not recorded', { server: lane.server, lane: lane.lane, reason, error: String(error) })
    }
  }
  return {
    record(refusal) {
      const now = deps.clock.monotonic()
      tokens = Math.min(burst, tokens + ((now - last) / 1000) * perSecond)
      last = now
      if (tokens < 1) {
        skipped += 1
        return
      }
      tokens -= 1
      write(refusal)
    },
    flush() {
      if (skipped > 0) write({ method: '', origin: '', path: '', reason: 'the lane ended' })
    },
  }
}

/** Values of a query are left out: a credential that stood there is refused, not kept. */
function shown(target: string, placeholder: string): string {
  const [path = '', query] = target.split('?', 2)
  const names = query?.split('&').map((part) => part.split('=', 1)[0] ?? '')
  const text = names === undefined ? path : `${path}?${names.join('&')}`
  return placeholder === '' ? text : text.replaceAll(placeholder, '[placeholder]')
}
