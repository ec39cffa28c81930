import type { RequestRule } from '../core/types.ts'
import type { BoundBody } from './body.ts'
import { bindsBody, matchBody, matchRequest } from './match.ts'
import type { WireRequest } from './target.ts'
import type { InFlightCall } from './types.ts'

export type Attribution =
  | { readonly ok: true; readonly call: InFlightCall; readonly rule: RequestRule }
  | { readonly ok: false; readonly reason: string; readonly call?: string }

/**
 * Which call in flight a request belongs to. None, or calls with different leases: refused, since nothing tells them apart.
 * Among calls that share a lease the one with the fewest so far (`load`) gets it, so that each trail tells of its own.
 */
export function attribute(
  calls: readonly InFlightCall[],
  request: WireRequest,
  body: BoundBody | undefined,
  load: (call: InFlightCall) => number,
): Attribution {
  const [only, another] = calls
  if (only === undefined) return { ok: false, reason: 'no call in flight' }
  const found = calls.flatMap((call) => {
    const rule = ruleFor(call, request, body)
    return rule === undefined ? [] : [{ call, rule }]
  })
  const [first] = found
  if (first === undefined) {
    return { ok: false, reason: 'no rule of a call in flight admits this request', ...(another === undefined ? { call: only.call } : {}) }
  }
  const { lease } = first.call
  if (found.some(({ call }) => call.lease.id !== lease.id)) return { ok: false, reason: 'calls with different leases match' }
  if (lease.signal.aborted) return { ok: false, reason: 'the lease has ended', call: first.call.call }
  const current = found.filter(({ call }) => call.current())
  const [chosen] = current.sort((left, right) => load(left.call) - load(right.call))
  if (chosen === undefined) return { ok: false, reason: 'policy or tool changed since the decision', call: first.call.call }
  return { ok: true, ...chosen }
}

/** The first rule of a call that admits the request. */
export function ruleFor(call: InFlightCall, request: WireRequest, body: BoundBody | undefined): RequestRule | undefined {
  return call.requests.find(
    (rule) => matchRequest(rule, request, call.seen) && (!bindsBody(rule) || (body !== undefined && matchBody(rule, body))),
  )
}

/** True when some rule that the request meets so far can only be judged with the body at hand. */
export function needsBody(calls: readonly InFlightCall[], request: WireRequest): boolean {
  return calls.some((call) => call.requests.some((rule) => bindsBody(rule) && matchRequest(rule, request, call.seen)))
}
