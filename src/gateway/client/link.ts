import type { Socket } from 'node:net'
import { CONTROL, frame, MESSAGE, namelessId, responseFrame } from '../../api/frames.js'
import { Outlet } from '../../api/outlet.js'
import type { JitError } from '../../core/errors.ts'

/** The way to one client, whatever it speaks. What is sent to a client that is gone is lost. */
export interface ClientLink {
  /**
   * The answer to the client's request of this id (as JSON; `null` when it had none that could be read). An empty line: the
   * client wants no answer any more. The answers to a batch come as one array, once, under the id of its first request. False while the client does not take what it is sent: then wait for `drained`.
   */
  answer(id: string, line: string): boolean
  /**
   * A notification, or a request of a server. `about`: the id (as JSON) of the client's request that it belongs to, where that
   * is known. Answers as `answer` does.
   */
  message(line: string, about?: string): boolean
  /** The server's own stream for the answer to this request (its id as JSON) began, or was ended to be asked for again. */
  stream?(id: string, open: boolean): void
  /** Calls back once the client has taken what it was sent. */
  drained(callback: () => void): void
  /** Something that says nothing: sending it shows whether the client is there. Answers as `answer` does. */
  probe(): boolean
  /** Whether the client is there, as far as is known. */
  readonly open: boolean
  /** While it is false, what the client says waits at its end. */
  hear(on: boolean): void
  /** Ends the connection: for good with the error's reason, or until the client needs the daemon again when it just stops. */
  end(error: JitError): void
}

/** It says nothing. The system answers for a client that is gone: it cannot be sent. */
const probe = frame(CONTROL, '{}')

/** The shim, over its socket: frames in both directions. */
export class ShimLink implements ClientLink {
  readonly #socket: Socket
  readonly #outlet: Outlet
  #heard = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.#outlet = new Outlet(socket)
  }

  get open(): boolean {
    return this.#socket.writable
  }

  /** A message of the client is about to be taken. What cannot be read is answered at once, and so by its number. */
  heard(): void {
    this.#heard += 1
  }

  answer(id: string, line: string): boolean {
    return this.#outlet.send(responseFrame(id === 'null' ? namelessId(this.#heard) : id, line))
  }

  message(line: string): boolean {
    return this.#outlet.send(frame(MESSAGE, line))
  }

  probe(): boolean {
    return this.#outlet.send(probe)
  }

  drained(callback: () => void): void {
    this.#socket.once('drain', callback)
  }

  hear(on: boolean): void {
    if (on) this.#socket.resume()
    else this.#socket.pause()
  }

  end(error: JitError): void {
    const said = error.code === 'daemon.restarted' ? { bye: 1 } : { error: shown(error) }
    this.#outlet.end(frame(CONTROL, JSON.stringify(said)))
  }
}

/** What a shim is told of an error that ends its connection. */
export function shown({ code, message, hint, rpcCode }: JitError): { code: string; message: string; hint: string; rpc: number } {
  return { code, message, hint, rpc: rpcCode }
}
