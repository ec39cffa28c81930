import type { Principal } from '../../core/types.ts'
import type { Upstream, UpstreamEvents } from './upstream.ts'

/** A server of jit's own, inside the daemon: nothing is started, and it holds no credential. */
export interface LocalServer {
  /** For the trail, where the pin of a server's program stands. */
  readonly pin: string
  /** One conversation, with this caller alone. What the server says goes to `say`, one message of JSON-RPC at a time. */
  open(caller: Principal, say: (message: object) => void): Promise<LocalConversation>
}

export interface LocalConversation {
  /** One message of the client, as JSON. Answers come by `say`, later. */
  hear(line: string): void
  close(): Promise<void>
}

/** The far end of a lane without a process behind it. It takes whatever it is sent at once. */
export class LocalUpstream implements Upstream {
  readonly pid = 0
  readonly backlog = 0
  readonly #events: Pick<UpstreamEvents, 'onLine'>
  #conversation: LocalConversation | undefined
  #paused = false
  #closed = false
  /** What it said while nobody heard it: at most an answer for each request under way. */
  #unheard: Buffer[] = []

  constructor(events: Pick<UpstreamEvents, 'onLine'>) {
    this.#events = events
  }

  /** Begins the conversation; nothing may be sent before. */
  async open(server: LocalServer, caller: Principal): Promise<void> {
    this.#conversation = await server.open(caller, (message) => this.#say(message))
    if (this.#closed) await this.#conversation.close()
  }

  send(line: string | Buffer): boolean {
    if (!this.#closed) this.#conversation?.hear(line.toString())
    return true
  }

  drained(callback: () => void): void {
    callback()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const lines = this.#unheard.splice(0)
    for (const line of lines) this.#deliver(line)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unheard = []
    await this.#conversation?.close()
  }

  #say(message: object): void {
    if (!this.#closed) this.#deliver(Buffer.from(JSON.stringify(message)))
  }

  #deliver(line: Buffer): void {
    if (this.#paused) this.#unheard.push(line)
    else this.#events.onLine(line)
  }
}
