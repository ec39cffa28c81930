import type { JitError } from '../../core/errors.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { Scrubber } from '../../core/scrub.ts'
import type { LanePool } from '../lane/lanes.ts'
import type { Questions } from '../lane/questions.ts'
import type { Id } from '../protocol/jsonrpc.ts'
import type { Caller } from './call.ts'
import type { KnownTools } from './known-tools.ts'
import type { Rounds } from './rounds.ts'
import type { Tasks } from './tasks.ts'

/** What the steps of a call need of the connection that it came on. */
export interface CallContext extends Caller {
  readonly lanes: LanePool
  scrubber(): Scrubber
  /** A message of a server as its client may get it. Throws JitError `message.credential`. */
  clean(line: string): string
  readonly questions: Questions
  readonly rounds: Rounds
  readonly tasks: Tasks
  /** Revision of the protocol that a request is of: its own word, or else what was agreed on; empty before that. */
  revision(params: JsonObject): string
  readonly tools: KnownTools
  /** What the client said in its handshake that it can do. */
  capabilities(): Json | undefined
  /** A tool that may be used and names this page of its own, `ui://…`. */
  toolOfPage(uri: string): string | undefined
  /** A message goes no further: for the trail. */
  refused(error: JitError, from: 'client' | 'server'): void
  answer(id: Id, line: string): void
  /** The client does not want an answer any more. */
  forget(id: Id): void
}
