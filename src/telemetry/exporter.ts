import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import type { Logger, Surroundings } from '../core/types.ts'
import type { CallTracer } from '../gateway/tracing.ts'
import { createCallTracer } from './call-trace.ts'

export interface Exporter {
  readonly tracer: CallTracer
  /** Ends within two seconds, whatever the collector does. */
  close(): Promise<void>
}

export interface ExporterOptions extends Surroundings {
  /** Origin of the collector. */
  readonly endpoint: string
  readonly version: string
}

/** Spans that wait: beyond these, new ones are dropped. */
const queue = 2048
const batch = 256
const sendEvery = 2000
const sendWithin = 5000
const closeWithin = 2000
/** Longest attribute in characters. */
const longest = 4096

export function openExporter({ endpoint, version, clock, log }: ExporterOptions): Exporter {
  forgetEnvironment()
  const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, timeoutMillis: sendWithin, concurrencyLimit: 2 })
  const processor = new BatchSpanProcessor({
    exporter: noting(exporter, log),
    maxQueueSize: queue,
    maxExportBatchSize: batch,
    scheduledDelayMillis: sendEvery,
    exportTimeoutMillis: sendWithin,
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'jit', 'service.version': version }),
    // Whether its calls are seen is nothing that an agent decides by a flag in its message.
    sampler: new AlwaysOnSampler(),
    spanLimits: { attributeValueLengthLimit: longest, attributeCountLimit: 64 },
    spanProcessors: [processor],
  })
  return {
    tracer: createCallTracer({ tracer: provider.getTracer('jit', version), clock, log }),
    async close() {
      let cancel = (): void => undefined
      const late = new Promise<void>((settle) => (cancel = clock.after(closeWithin, settle)))
      await Promise.race([provider.shutdown(), late])
      cancel()
    },
  }
}

/** The first failure and the first success after one are logged: a collector that is away must not fill the log. */
function noting(exporter: SpanExporter, log: Logger): SpanExporter {
  let failing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined || result.code !== 0
        if (failed && !failing) log.warn('spans not exported', { error: result.error?.message ?? '' })
        if (!failed && failing) log.info('spans are exported again')
        failing = failed
        done(result)
      })
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  }
}

/** Only the config says where spans go and with what: whoever happened to start the daemon does not. */
function forgetEnvironment(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) Reflect.deleteProperty(process.env, name)
}
