import type { JitError } from '../../core/errors.ts'
import type { GatewayDeps } from '../types.ts'

/** Records of refused messages that either end of one connection can cause; whoever floods must not fill the disk. */
const recordedCap = 100

type Sender = 'client' | 'server'

export interface RefusalsOptions {
  readonly server: string
  readonly connection: string
  readonly session: string
}

/** The refused messages of one connection in the trail: the first of each end one by one, the others as a number when it closes. */
export class Refusals {
  readonly #deps: Pick<GatewayDeps, 'audit' | 'log'>
  readonly #options: RefusalsOptions
  readonly #count: Record<Sender, number> = { client: 0, server: 0 }
  readonly #passed: Record<Sender, number> = { client: 0, server: 0 }
  /** Those that have no record of their own. */
  readonly #unrecorded: Record<Sender, number> = { client: 0, server: 0 }

  constructor(deps: Pick<GatewayDeps, 'audit' | 'log'>, options: RefusalsOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** A message of that end does not go on, for that reason. */
  note(from: Sender, { code, message }: JitError): void {
    this.#count[from] += 1
    if (this.#count[from] > recordedCap || !this.#record({ from, code, message })) this.#unrecorded[from] += 1
  }

  /**
   * A message beside MCP's own passes, since the config names its method. Throws JitError `audit.unwritable` for a request. Of
   * notifications the first of each end stand in the trail.
   */
  passed(from: Sender, kind: 'request' | 'notification', method: string): void {
    if (kind === 'notification' && (this.#passed[from] += 1) > recordedCap) return
    this.#deps.audit.append({ type: 'message.passed', detail: { ...this.#options, from, kind, method } })
  }

  /** The connection is closed, and nothing of it is read any more. */
  end(): void {
    for (const from of ['client', 'server'] as const) {
      const unrecorded = this.#unrecorded[from]
      this.#unrecorded[from] = 0
      if (unrecorded > 0) this.#record({ from, unrecorded, message: `${unrecorded} more messages were refused` })
    }
  }

  #record(detail: { from: Sender; message: string; code?: string; unrecorded?: number }): boolean {
    try {
      this.#deps.audit.append({ type: 'message.refused', detail: { ...this.#options, ...detail } })
      return true
    } catch (failure) {
      this.#deps.log.error('refused message not recorded', { error: String(failure) })
      return false
    }
  }
}
