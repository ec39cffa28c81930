import type { AuditRecord } from '../audit/event.ts'
import type { AuditFilter } from '../audit/query.ts'
import type { SelfTool } from '../config/self.ts'
import type { Config } from '../config/schema.ts'
import type { PresetSource } from '../config/types.ts'
import type { Surroundings } from '../core/types.ts'
import type { CompiledPolicy } from '../policy/types.ts'
import type { Proposals } from './proposals.ts'

/** What jit's own server looks at. Nothing in it can approve, mint, reveal or change a rule. */
export interface SelfServiceDeps extends Surroundings {
  /** With jit's own server in it. */
  config(): Config
  policy(): CompiledPolicy
  readonly presets: PresetSource
  readonly trail: { query(filter: AuditFilter): AsyncIterable<AuditRecord> }
  readonly proposals: Proposals
  /** Milliseconds since 1970: no session is older. */
  readonly startedAt: number
  readonly version: string
}

/** One tool: what it answers is text for a model. Throws JitError when it cannot. */
export type Answer = (args: unknown, caller: Caller) => string | Promise<string>

export interface Caller {
  readonly session: string
  readonly agent: string
  readonly human: string
  /** The client does not wait any more. */
  readonly signal: AbortSignal
}

export type Answers = Readonly<Record<SelfTool, Answer>>
