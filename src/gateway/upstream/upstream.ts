import type { UpstreamRequest } from '../../audit/event.ts'
import type { Lease } from '../../broker/types.ts'
import type { JitError } from '../../core/errors.ts'
import type { Id } from '../protocol/jsonrpc.ts'

/** A request on its way to a server, beside its text. */
export interface Outgoing {
  readonly id: Id
  /**
   * What the call was given, for servers whose every request carries its credential; what goes on about it, as its task does, has
   * it too. Nothing keeps it past the request.
   */
  readonly lease: Lease | undefined
  /** Told of each HTTP request that is made with it. */
  readonly onRequest?: (request: UpstreamRequest) => void
  /**
   * Of a governed call itself, which travels with its own lease or with none, and once: `again` when a server did not take the
   * credential of the first time, and this is another.
   */
  readonly call?: 'first' | 'again'
  /** Of a governed call: whether what it was decided by is as it was then. */
  readonly isCurrent?: () => boolean
}

/**
 * The far end of a lane: a local server's process, or a remote server. Lines of JSON-RPC go in here and come out of the
 * callbacks that it was made with.
 */
export interface Upstream {
  /** 0 for a server that is no process of ours. */
  readonly pid: number
  /** Bytes that it was sent and has not taken. */
  readonly backlog: number
  /**
   * One message; with `request` when it asks something. An answer, or whatever ends the lane, comes by the callbacks; nothing is
   * thrown. False when it takes them too slowly: then wait for `drained`.
   */
  send(line: string | Buffer, request?: Outgoing): boolean
  /** Calls back once it has taken what was sent, or will never. */
  drained(callback: () => void): void
  /** Stops hearing it until `resume`. */
  pause(): void
  resume(): void
  /** Ends it, whatever it does; what it still says is not heard. */
  close(): Promise<void>
}

/** What an upstream tells its lane. */
export interface UpstreamEvents {
  /**
   * `about`: the id (as JSON) of the request whose answer stream it came on, where the transport tells. True when the line was
   * the answer to that request; an answer to any other does not count there.
   */
  onLine(line: Buffer, about?: string): boolean
  /** A line over the cap: how long it is, how it begins, and how it ends where that is known. */
  onTooLong(bytes: number, head: Buffer, tail?: Buffer): void
  /** A request will get no answer, for this reason; the lane goes on. Says nothing of one that has been answered. */
  onFailed(id: Id, error: JitError): void
  /**
   * The server answers a request on a stream to which its client may come back (2025-11-25): it began, or was ended before the
   * answer, to be asked for again.
   */
  onStream(id: Id, open: boolean): void
  /** Once, when it is gone by itself: how (`exit code 1`), and its last words. */
  onEnd(how: string, lastWords: string): void
}
