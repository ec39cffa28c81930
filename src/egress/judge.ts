import type { Lease } from '../broker/types.ts'
import type { Clock } from '../core/clock.ts'
import { attribute, needsBody } from './attribute.ts'
import { readBoundBody } from './body.ts'
import type { Exchange, Route } from './exchange.ts'
import { withFixedHeaders } from './fixed-headers.ts'
import { readHeaders } from './headers.ts'
import { signAnew } from './sign-anew.ts'
import { originOf, type SigningScope } from './sigv4.ts'
import { hasEscapedSlash, namesHeader, takesEscapedSlash } from './match.ts'
import { isPlain, readTarget, type WireRequest } from './target.ts'
import type { InFlightCall } from './types.ts'
import type { Verdict } from './verdict.ts'

const refusedMethods = new Set(['TRACE', 'TRACK', 'CONNECT'])

/** Looks at one request as if its connection had carried none before. Throws when the client breaks off. */
export async function judge(exchange: Exchange, clock: Pick<Clock, 'now'>): Promise<Verdict> {
  const { route, request } = exchange
  const { lane } = route
  const { placeholder, authentication } = lane.options
  const method = request.method ?? ''
  const target = request.url ?? ''
  if (request.httpVersion !== '1.1') return no(505, `HTTP/${request.httpVersion}`)
  if (refusedMethods.has(method)) return no(405, `the method ${method}`)
  const reading = readHeaders(request.rawHeaders, placeholder, authentication)
  if (!reading.ok) return reading
  if (route.misdirected || reading.host !== route.host) return no(421, 'another host than the connection is for')
  const path = withoutPrefix(target, route)
  if (path === undefined || !isPlain(path)) return no(400, 'a path that two readers could read differently, or outside of the base URL')
  const origin = originFor(route, reading.signature)
  if (origin === undefined) return no(403, 'signed for a service in a region that no rule names')
  const read = readTarget(method, origin, path, reading.named)
  const wire = read === undefined ? undefined : { ...read, steering: reading.steering }
  if (mentions(path, wire, placeholder)) return no(403, 'the placeholder in the address')

  const { headers, sites, signature, body } = reading
  if (sites.length === 0 && signature === undefined) {
    if (lane.options.open.has(origin)) return { ok: true, method, origin, path, headers, body, charge: undefined }
    return no(403, 'no credential: the placeholder is missing')
  }
  lane.prove(request.socket)
  if (!lane.options.origins.has(origin)) return no(403, 'a credential for an origin that gets none')
  if (wire === undefined) return no(400, 'a path that two readers could read differently')

  if (hasEscapedSlash(wire) && !lane.calls.some((call) => call.requests.some(takesEscapedSlash)))
    return no(400, 'an escaped slash, which no rule of a call in flight takes')

  const unnamed = [...reading.steering].find((name) => !lane.calls.some((call) => call.requests.some((rule) => namesHeader(rule, name))))
  if (unnamed !== undefined && lane.calls.length > 0) return no(403, `the header ${unnamed}, which no rule of a call in flight names`)

  // S3 reads it as a space; its clients write %2B or %20.
  if (signature !== undefined && /^[^?]*\+/.test(path)) return no(400, 'a "+" in a path, which stands for itself or for a space')

  // No rule can bind it, and upstreams differ in whether they read it.
  if (/^(GET|HEAD)$/.test(method) && body !== 'none' && body !== 0) return no(400, `a body of a ${method}`)

  const bound = needsBody(lane.calls, wire)
  if (bound) exchange.wantBody()
  const content = bound ? await readBoundBody(request, reading.contentType, placeholder, takesForm(lane.calls)) : undefined
  if (content?.ok === false) return content
  const found = attribute(lane.calls, wire, content?.body, (call) => lane.load(call))
  if (!found.ok) return no(403, found.reason, found.call)
  const charge = { call: found.call, rule: found.rule, wire, content: content?.body }
  if (signature !== undefined)
    return signAnew(exchange, { origin, path, headers, body, bytes: content?.bytes }, charge, { signature, now: clock.now() })
  const token = tokenOf(found.call.lease)
  if (token === undefined) return no(403, 'the lease holds no credential that fits into a header', found.call.call)
  return {
    ok: true,
    method,
    origin,
    path,
    headers: [...withFixedHeaders(headers, found.call.lease, found.rule), ...sites.flatMap((site) => [site.name, site.write(token)])],
    body: content?.bytes ?? body,
    charge,
  }
}

function takesForm(calls: readonly InFlightCall[]): boolean {
  return calls.some((call) => call.requests.some((rule) => rule.form !== undefined))
}

/** An AWS lane's base-URL listener stands for every service that the policy names; other lanes have one upstream. */
function originFor({ lane, origin, endpoint }: Route, signature: SigningScope | undefined): string | undefined {
  return endpoint === undefined || signature === undefined ? origin : originOf(signature, lane.options.origins)
}

/** Base-URL lanes: the prefix is taken off; undefined for what lies outside of it. */
function withoutPrefix(target: string, { endpoint }: Route): string | undefined {
  if (endpoint === undefined || endpoint.prefix === '') return target
  return target.startsWith(`${endpoint.prefix}/`) ? target.slice(endpoint.prefix.length) : undefined
}

function mentions(path: string, wire: WireRequest | undefined, placeholder: string): boolean {
  return (
    path.includes(placeholder) ||
    (wire !== undefined && [...wire.segments, ...wire.query.flat()].some((text) => text.includes(placeholder)))
  )
}

/** The part called `token`, or the only one; undefined when it could break out of a header. */
function tokenOf({ secrets }: Lease): string | undefined {
  const parts = Object.values(secrets)
  const token = (secrets['token'] ?? (parts.length === 1 ? parts[0] : undefined))?.reveal()
  return token !== undefined && /^[\x21-\x7e]+$/.test(token) ? token : undefined
}

function no(status: number, reason: string, call?: string): Verdict {
  return { ok: false, status, reason, call }
}
