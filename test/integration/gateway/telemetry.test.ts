import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createTelemetry } from '../../../src/telemetry/telemetry.ts'
import { type Bench, type Client, eventually, guarded, openBench } from './support.ts'

const attribute = z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) })
const spanShape = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  startTimeUnixNano: z.coerce.bigint(),
  endTimeUnixNano: z.coerce.bigint(),
  attributes: z.array(attribute),
  status: z.looseObject({ code: z.number().optional(), message: z.string().optional() }),
})
const exportShape = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.looseObject({ attributes: z.array(attribute) }), scopeSpans: z.array(z.object({ spans: z.array(spanShape) })) }),
  ),
})

interface Span {
  readonly traceId: string
  readonly id: string
  readonly parent: string
  readonly name: string
  readonly from: bigint
  readonly to: bigint
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: { readonly code?: number | undefined; readonly message?: string | undefined }
}

/** A collector on loopback that takes OTLP over HTTP as JSON. */
async function openCollector(status = 200) {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      bodies.push(`${request.method} ${request.url}\n${body}`)
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bodies,
    spans: (): Span[] =>
      bodies.flatMap((body) =>
        exportShape
          .parse(JSON.parse(body.slice(body.indexOf('\n'))))
          .resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)
          .flatMap(({ spans }) => spans)
          .map(({ traceId, spanId, parentSpanId = '', name, startTimeUnixNano, endTimeUnixNano, attributes, status: ended }) => ({
            traceId,
            id: spanId,
            parent: parentSpanId,
            name,
            from: startTimeUnixNano,
            to: endTimeUnixNano,
            attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
            status: ended,
          })),
      ),
  }
}

/** The gateway with spans going to an endpoint; `flush` sends those that wait. */
async function openTraced(endpoint: string, servers: string): Promise<{ bench: Bench; client: Client; flush(): Promise<void> }> {
  const bench = await openBench(servers)
  const telemetry = createTelemetry({ version: '0.1.0', clock: bench.clock, log: bench.log })
  telemetry.configure(endpoint)
  await eventually(() => telemetry.tracer !== undefined)
  Object.assign(bench.deps, { tracer: telemetry.tracer })
  return { bench, client: await bench.connect(), flush: () => telemetry.close() }
}

function call(client: Client, name: string, args: Record<string, string>, meta: Record<string, string> = {}): Promise<unknown> {
  return client.request('tools/call', { name, arguments: args, _meta: meta }).answer
}

const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']

describe('spans of calls', () => {
  it('show the call below the client’s own span, its steps, and its requests, and no secret and no argument', async () => {
    const collector = await openCollector()
    const { client, bench, flush } = await openTraced(collector.endpoint, guarded())
    await call(client, 'fetch', { repo: 'web', item: 'seven' }, { traceparent: `00-${traceId}-${spanId}-00` })
    await flush()
    const spans = collector.spans()
    const root = spans.find(({ name }) => name === 'tools/call fetch')
    expect(root).toMatchObject({
      traceId,
      parent: spanId,
      attributes: {
        'mcp.method.name': 'tools/call',
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'fetch',
        'jit.server': 'hostile',
        'jit.session': 'session_1',
        'jit.decision': 'allow',
        'jit.rule': 'servers.hostile.allow[0]',
        'jit.result': 'ok',
      },
    })
    const children = spans.filter(({ parent }) => parent === root?.id)
    expect(children.map(({ name }) => name)).toEqual(['decide', 'lease', 'forward'])
    const forward = children.at(-1)
    const request = spans.find(({ parent }) => parent === forward?.id)
    expect(request).toMatchObject({ name: 'GET', attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200 } })
    expect(request?.attributes['url.full']).toMatch(/\/repos\/web\/seven$/)
    for (const span of spans) {
      expect(span.traceId).toBe(traceId)
      expect(span.to >= span.from).toBe(true)
    }
    expect(collector.bodies[0]).toMatch(/^POST \/v1\/traces\n/)
    expect(collector.bodies.join()).toContain('"service.name"')
    const all = collector.bodies.join()
    expect(bench.provider.tokens).toHaveLength(1)
    for (const { value } of bench.provider.tokens) expect(all).not.toContain(value)
    expect(all).not.toContain('gen_ai.tool.call.arguments')
  })

  it('show who waited for a person, and that the answer was no', async () => {
    const collector = await openCollector()
    const { client, bench, flush } = await openTraced(collector.endpoint, '  hostile:\n    run: [x]\n    ask: [say]\n')
    const answered = call(client, 'say', { text: 'hello' })
    await eventually(() => bench.approvals.waiting().length === 1)
    await bench.clock.advance(5000)
    const [waiting] = bench.approvals.waiting()
    bench.approvals.answer(waiting?.id ?? '', 'denied', 'ada', waiting?.operation.digest ?? '')
    await answered
    await flush()
    const spans = collector.spans()
    const approve = spans.find(({ name }) => name === 'approve')
    expect((approve?.to ?? 0n) - (approve?.from ?? 0n)).toBe(5_000_000_000n)
    expect(spans.find(({ name }) => name === 'tools/call say')).toMatchObject({
      status: { code: 2, message: 'approval.denied' },
      attributes: { 'jit.decision': 'ask', 'jit.result': 'denied', 'jit.error': 'approval.denied', 'error.type': 'tool_error' },
    })
  })

  it.each([
    ['none', [], ['seven', 'web']],
    ['digest', ['/repos/web/seven'], ['gen_ai.tool.call.arguments']],
    ['full', ['gen_ai.tool.call.arguments', '/repos/web/seven'], []],
  ] as const)('tell of arguments what the trail may (%s)', async (mode, shown, hidden) => {
    const collector = await openCollector()
    const { client, bench, flush } = await openTraced(collector.endpoint, guarded())
    bench.configure(`${guarded()}audit: { arguments: ${mode} }\n`)
    await call(client, 'fetch', { repo: 'web', item: 'seven' })
    await call(client, 'nothing-of-the-kind', { item: 'seven' })
    await flush()
    const all = collector.bodies.join()
    for (const text of shown) expect(all).toContain(text)
    for (const text of hidden) expect(all).not.toContain(text)
    const unknown = collector.spans().find(({ attributes }) => attributes['gen_ai.tool.name'] === 'nothing-of-the-kind')
    expect(unknown).toMatchObject({ name: 'tools/call', attributes: { 'error.type': '-32602', 'jit.error': 'policy.unlisted' } })
  })

  it.each([
    ['no text', 7],
    ['zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['upper case', `00-${traceId.toUpperCase()}-${spanId}-01`],
    ['a text behind it', `00-${traceId}-${spanId}-01-more`],
    ['a megabyte', 'x'.repeat(1_000_000)],
  ])('begin a trace of their own when the client’s traceparent is %s', async (_, traceparent) => {
    const collector = await openCollector()
    const { client, flush } = await openTraced(collector.endpoint, '  hostile:\n    run: [x]\n    allow: [say]\n')
    await client.request('tools/call', { name: 'say', arguments: { text: 'hello' }, _meta: { traceparent } }).answer
    await flush()
    expect(collector.spans().find(({ name }) => name === 'tools/call say')).toMatchObject({ parent: '' })
  })

  it('do not reach calls with a collector that refuses, or that is not there', async () => {
    const refusing = await openCollector(500)
    for (const endpoint of [refusing.endpoint, 'http://127.0.0.1:1']) {
      const { client, bench, flush } = await openTraced(endpoint, '  hostile:\n    run: [x]\n    allow: [say]\n')
      for (let count = 0; count < 5; count += 1) expect(await client.call('say', { text: 'hello' })).toContain('hello')
      const closing = flush()
      for (let step = 0; step < 4; step += 1) await bench.clock.advance(1000)
      await closing
      expect(await client.call('say', { text: 'again' })).toContain('again')
    }
  })
})
