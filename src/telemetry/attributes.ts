import type { Attributes } from '@opentelemetry/api'
import type { CloseFields, UpstreamRequest } from '../audit/event.ts'
import type { JitError } from '../core/errors.ts'
import type { TracedCall } from '../gateway/tracing.ts'

/** How much of a call's arguments may be told: `audit.arguments` of the config. */
export type Exposure = 'full' | 'digest' | 'none'

const longestName = 128
const longestUri = 300

/** By OpenTelemetry's conventions for MCP and generative AI; what they have no word for is `jit.…`. */
export function callAttributes(call: TracedCall, connection: string, exposure: Exposure): Attributes {
  const { request, operation, principal } = call
  const { kind, name, server, args } = operation
  return {
    'mcp.method.name': request.method,
    'jsonrpc.request.id': String(request.id).slice(0, longestName),
    ...(kind === 'tool' ? { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name.slice(0, longestName) } : {}),
    ...(kind === 'prompt' ? { 'gen_ai.prompt.name': name.slice(0, longestName) } : {}),
    ...(kind === 'resource' && exposure !== 'none' ? { 'mcp.resource.uri': name.slice(0, longestUri) } : {}),
    ...(kind === 'tool' && exposure === 'full' ? { 'gen_ai.tool.call.arguments': JSON.stringify(args) } : {}),
    'jit.call': call.id,
    'jit.server': server,
    'jit.session': principal.session,
    'jit.connection': connection,
    'jit.agent': principal.agent.name,
    'jit.policy': call.policy,
  }
}

export function resultAttributes({ operation }: TracedCall, result: CloseFields['result'], error: JitError | undefined): Attributes {
  if (result === 'ok') return { 'jit.result': result }
  // A denied tool is answered with a result that is an error, unless it is hidden.
  const readable = result === 'tool-error' || (result === 'denied' && operation.kind === 'tool' && error?.details['hidden'] !== true)
  const hidden = error?.details['hidden'] === true
  const code = hidden ? '-32602' : error === undefined || result === 'aborted' ? undefined : String(error.rpcCode)
  return {
    'jit.result': result,
    ...(error === undefined ? {} : { 'jit.error': error.code }),
    'error.type': readable ? 'tool_error' : (code ?? result),
    ...(readable || code === undefined ? {} : { 'rpc.response.status_code': code }),
  }
}

/** Paths hold arguments, so `none` leaves them out; what stands behind `?` is told by `full` alone. */
export function requestAttributes({ method, url, status, requestId }: UpstreamRequest, exposure: Exposure): Attributes {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const port = parsed === undefined ? 0 : Number(parsed.port || (parsed.protocol === 'http:' ? 80 : 443))
  return {
    'http.request.method': method,
    ...(parsed === undefined ? {} : { 'server.address': parsed.hostname, 'server.port': port }),
    ...(parsed === undefined || exposure === 'none'
      ? {}
      : { 'url.full': exposure === 'full' ? `${parsed.origin}${parsed.pathname}${parsed.search}` : `${parsed.origin}${parsed.pathname}` }),
    ...(status === 0 ? { 'error.type': 'no_answer' } : { 'http.response.status_code': status }),
    ...(status >= 400 ? { 'error.type': String(status) } : {}),
    ...(requestId === '' ? {} : { 'jit.upstream.request_id': requestId }),
  }
}
