import { type Context, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api'
import { isJsonObject, type Json } from '../core/json.ts'

/** W3C trace context: version 00, trace id, span id, flags. */
const traceparent = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/

/**
 * What the client says its call belongs to, in `_meta.traceparent` (SEP-414). It is a claim, and places a span in a trace; more
 * does not depend on it. Its flags are not obeyed, its `tracestate` and `baggage` are not read.
 */
export function remoteParent(meta: Json | undefined): Context {
  const text = meta !== undefined && isJsonObject(meta) ? meta['traceparent'] : undefined
  const [, traceId, spanId] = (typeof text === 'string' ? traceparent.exec(text) : null) ?? []
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true })
}
