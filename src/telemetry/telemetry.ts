import { toJitError } from '../core/errors.ts'
import type { Surroundings } from '../core/types.ts'
import type { CallTracer } from '../gateway/tracing.ts'
import type { Exporter } from './exporter.ts'

export interface Telemetry {
  /** Undefined unless spans are exported. */
  readonly tracer: CallTracer | undefined
  /** Where spans go from here on: the origin of an OTLP collector, or nowhere. Does not wait, and never throws. */
  configure(endpoint: string | undefined): void
  /** Sends what waits, as far as the collector takes it soon. */
  close(): Promise<void>
}

/** Spans of calls, for whoever is configured to get them. Without an endpoint nothing of OpenTelemetry is loaded. */
export function createTelemetry(deps: Surroundings & { readonly version: string }): Telemetry {
  const { log } = deps
  let endpoint: string | undefined
  let exporter: Exporter | undefined

  const end = (one: Exporter | undefined): Promise<void> =>
    one === undefined
      ? Promise.resolve()
      : one.close().catch((error: unknown) => log.warn('telemetry not closed', { error: toJitError(error).message }))
  const open = async (wanted: string): Promise<void> => {
    const { openExporter } = await import('./exporter.ts')
    // Another config may have come meanwhile.
    if (endpoint === wanted) exporter = openExporter({ ...deps, endpoint: wanted })
  }
  return {
    get tracer() {
      return exporter?.tracer
    },
    configure(wanted) {
      if (wanted === endpoint) return
      endpoint = wanted
      void end(exporter)
      exporter = undefined
      if (wanted !== undefined) open(wanted).catch((error: unknown) => log.error('telemetry not started', { error: String(error) }))
    },
    close: () => end(exporter),
  }
}
