import type { AuditEvent, AuditPosition, AuditSink, CallIntent, CloseFields } from '../../src/audit/event.ts'
import { JitError } from '../../src/core/errors.ts'

type EventType = AuditEvent['type']
type EventOf<T extends EventType, E = AuditEvent> = E extends { readonly type: infer Types } ? (T extends Types ? E : never) : never

/** A trail in memory that can be made unwritable, for all events or for some. */
export class MemoryAudit implements AuditSink {
  readonly events: AuditEvent[] = []
  #refuses: (event: AuditEvent) => boolean = () => false

  append(event: AuditEvent): AuditPosition {
    if (this.#refuses(event)) throw new JitError('audit.unwritable', 'the test made the trail unwritable')
    this.events.push(structuredClone(event))
    return { seq: this.events.length, hash: '' }
  }

  async stage(event: AuditEvent): Promise<void> {
    this.append(event)
  }

  async stageClose(intent: CallIntent, close: CloseFields): Promise<void> {
    this.append({ ...intent, type: 'call.close', ...close })
  }

  /** Refuses the events that `which` names; all of them by default. */
  fail(which: (event: AuditEvent) => boolean = () => true): void {
    this.#refuses = which
  }

  heal(): void {
    this.#refuses = () => false
  }

  ofType<T extends EventType>(type: T): EventOf<T>[] {
    return this.events.filter((event): event is AuditEvent & EventOf<T> => event.type === type)
  }

  types(): EventType[] {
    return this.events.map((event) => event.type)
  }
}
