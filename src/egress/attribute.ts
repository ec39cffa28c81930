import { bindsBody, matchBody, matchRequest, type WireRequest } from './match.ts'
import type { InFlightCall } from './types.ts'
import type { RequestRule } from '../core/types.ts'

export type Attribution =
  | { readonly ok: true; readonly call: InFlightCall; readonly rule: RequestRule }
  | { readonly ok: false; readonly reason: string; readonly call?: string }

/**
 * Which call in flight a request belongs to. None: refused. Several with one lease: the first. Several with different leases:
 * refused, since nothing tells them apart.
 */
export function attribute(calls: ReadonlySet<InFlightCall>, request: WireRequest, body: Buffer | undefined): Attribution {
  if (calls.size === 0) return { ok: false, reason: 'no call in flight' }
  const found: { call: InFlightCall; rule: RequestRule }[] = []
  for (const call of calls) {
    const rule = call.requests.find(
      (candidate) =>
        matchRequest(candidate, request, call.seen) && (!bindsBody(candidate) || (body !== undefined && matchBody(candidate, body))),
    )
    if (rule !== undefined) found.push({ call, rule })
  }
  const [first] = found
  const onlyCall = calls.size === 1 ? [...calls][0]?.call : undefined
  if (first === undefined)
    return { ok: false, reason: 'no rule of a call in flight admits this request', ...(onlyCall === undefined ? {} : { call: onlyCall }) }
  if (found.some(({ call }) => call.lease.id !== first.call.lease.id)) return { ok: false, reason: 'calls with different leases match' }
  if (first.call.lease.signal.aborted) return { ok: false, reason: 'the lease has ended', call: first.call.call }
  if (!first.call.current()) return { ok: false, reason: 'policy or tool changed since the decision', call: first.call.call }
  return { ok: true, ...first }
}

/** True when some rule can only be judged with the body at hand. */
export function needsBody(calls: ReadonlySet<InFlightCall>, request: WireRequest): boolean {
  for (const call of calls) if (call.requests.some((rule) => bindsBody(rule) && matchRequest(rule, request, call.seen))) return true
  return false
}
