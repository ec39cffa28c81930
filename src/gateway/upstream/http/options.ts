import type { Injection } from '../../../config/schema.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Logger } from '../../../core/types.ts'
import type { UpstreamNetwork } from '../../../egress/upstream.ts'
import type { Standing } from '../../inject/standing.ts'
import type { UpstreamEvents } from '../upstream.ts'
import type { ToolHeaders } from '../../protocol/tool-headers.ts'

/** A remote server, and how it is reached. */
export interface RemoteOptions extends UpstreamEvents {
  readonly server: string
  readonly url: URL
  readonly transport: 'streamable-http' | 'sse'
  readonly inject: Injection
  readonly network: UpstreamNetwork
  readonly clock: Clock
  readonly log: Logger
  /** For what goes on around calls. The upstream ends it. */
  readonly standing: Standing
  /** Shared by the lanes of one client. */
  readonly tools: ToolHeaders
  /** Longest message in bytes. */
  cap(): number
  scrub(text: string): string
  /** Logs, though not each time. */
  warn(message: string, text: () => string): void
}
