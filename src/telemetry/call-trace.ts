import {
  type Attributes,
  type Context,
  type HrTime,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import type { CloseFields, UpstreamRequest } from '../audit/event.ts'
import type { JitError } from '../core/errors.ts'
import type { Decision, Surroundings } from '../core/types.ts'
import type { CallTrace, CallTracer, TracedCall } from '../gateway/tracing.ts'
import { type Exposure, callAttributes, requestAttributes, resultAttributes } from './attributes.ts'
import { remoteParent } from './parent.ts'

export interface CallTracerDeps extends Surroundings {
  readonly tracer: Tracer
}

export function createCallTracer(deps: CallTracerDeps): CallTracer {
  return {
    begin(call, connection, exposure) {
      const spans = new CallSpans(deps, call, exposure)
      spans.begin(connection)
      return spans
    },
  }
}

/** One span for a call, and one for each of its steps and upstream requests. A failure in here is logged, and is nobody's. */
class CallSpans implements CallTrace {
  readonly #deps: CallTracerDeps
  readonly #call: TracedCall
  readonly #exposure: Exposure
  /** Wall time of the call's arrival, in milliseconds since 1970. */
  readonly #arrived: number
  #root: Span | undefined
  #context: Context = ROOT_CONTEXT
  #step: Span | undefined
  #needsLease = false

  constructor(deps: CallTracerDeps, call: TracedCall, exposure: Exposure) {
    this.#deps = deps
    this.#call = call
    this.#exposure = exposure
    this.#arrived = deps.clock.now() - (deps.clock.monotonic() - call.started)
  }

  begin(connection: string): void {
    this.#quietly(() => {
      const { method, params } = this.#call.request
      const attributes = callAttributes(this.#call, connection, this.#exposure)
      const options = { kind: SpanKind.SERVER, startTime: toHrTime(this.#arrived), attributes }
      const root = this.#deps.tracer.startSpan(method, options, remoteParent(params['_meta']))
      this.#root = root
      this.#context = trace.setSpan(ROOT_CONTEXT, root)
      this.#enter('decide')
    })
  }

  decided(decision: Decision): void {
    this.#quietly(() => {
      const { effect, rule } = decision
      this.#root?.setAttributes({ 'jit.decision': effect, 'jit.rule': rule.path })
      if (decision.effect === 'deny') {
        if (!decision.hidden) this.#nameTarget()
        return this.#leave()
      }
      this.#nameTarget()
      this.#needsLease = decision.grant.credential === 'lease'
      if (this.#exposure !== 'none') this.#root?.setAttribute('jit.resource', decision.resource)
      if (decision.grant.credential === 'lease') this.#root?.setAttribute('jit.provider', decision.grant.provider)
      if (effect === 'ask') this.#enter('approve')
      else this.#leave()
    })
  }

  permitted(): void {
    this.#quietly(() => this.#enter(this.#needsLease ? 'lease' : 'forward'))
  }

  leased(): void {
    this.#quietly(() => this.#enter('forward'))
  }

  requested(request: UpstreamRequest): void {
    this.#quietly(() => {
      const end = this.#now()
      const parent = this.#step === undefined ? this.#context : trace.setSpan(this.#context, this.#step)
      const options = {
        kind: SpanKind.CLIENT,
        startTime: toHrTime(end - request.took),
        attributes: requestAttributes(request, this.#exposure),
      }
      const span = this.#deps.tracer.startSpan(request.method, options, parent)
      if (request.status === 0 || request.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(toHrTime(end))
    })
  }

  ended(result: CloseFields['result'], error: JitError | undefined): void {
    this.#quietly(() => {
      const failed = result !== 'ok'
      if (failed) this.#step?.setStatus({ code: SpanStatusCode.ERROR })
      this.#leave()
      this.#root?.setAttributes(resultAttributes(this.#call, result, error))
      // The error's message stays here: it may quote arguments.
      if (failed) this.#root?.setStatus({ code: SpanStatusCode.ERROR, message: error?.code ?? result })
      this.#root?.end(toHrTime(this.#now()))
    })
  }

  /** Names of tools that there are stay few; what else a client may call one would not. */
  #nameTarget(): void {
    const { request, operation } = this.#call
    if (operation.kind !== 'resource') this.#root?.updateName(`${request.method} ${operation.name}`)
  }

  #enter(name: string): void {
    this.#leave()
    const attributes: Attributes = { 'jit.step': name }
    this.#step = this.#deps.tracer.startSpan(name, { kind: SpanKind.INTERNAL, startTime: toHrTime(this.#now()), attributes }, this.#context)
  }

  #leave(): void {
    this.#step?.end(toHrTime(this.#now()))
    this.#step = undefined
  }

  #now(): number {
    return this.#arrived + (this.#deps.clock.monotonic() - this.#call.started)
  }

  #quietly(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#deps.log.debug('span not made', { error: String(error) })
    }
  }
}

function toHrTime(milliseconds: number): HrTime {
  const seconds = Math.floor(milliseconds / 1000)
  return [seconds, Math.round((milliseconds - seconds * 1000) * 1_000_000)]
}
