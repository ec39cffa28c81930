import type { IncomingMessage } from 'node:http'
import { JitError } from '../../core/errors.ts'

/** Reads bodies, one by one within their cap and all together within theirs: many slow senders must not fill the memory. */
export class Bodies {
  readonly #total: number
  #held = 0

  constructor(total: number) {
    this.#total = total
  }

  /**
   * Calls back once, with the whole body or why it is not taken; not at all when the sender goes away. Call `release` of what
   * was read when it is not needed any more.
   */
  read(request: IncomingMessage, cap: number, done: (body: Buffer | JitError) => void): void {
    // A sender that is still sending does not hear an answer: the rest is read, and thrown away.
    const refuse = (error: JitError): void => {
      request.once('end', () => done(error)).resume()
    }
    if (Number(request.headers['content-length'] ?? 0) > cap) return refuse(tooLarge(cap))
    const chunks: Buffer[] = []
    let size = 0
    const fail = (error: JitError): void => {
      this.#held -= size
      request.removeListener('data', take).removeListener('end', end).removeListener('close', gone)
      refuse(error)
    }
    const take = (chunk: Buffer): void => {
      size += chunk.length
      this.#held += chunk.length
      if (size > cap) return fail(tooLarge(cap))
      if (this.#held > this.#total) return fail(new JitError('daemon.busy', `messages of ${this.#total} bytes are being read already`))
      chunks.push(chunk)
    }
    const end = (): void => {
      request.removeListener('close', gone)
      const [first] = chunks
      done(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size))
    }
    const gone = (): void => {
      this.#held -= size
    }
    request.on('data', take).once('end', end).once('close', gone)
  }

  release(body: Buffer): void {
    this.#held -= body.length
  }
}

function tooLarge(cap: number): JitError {
  return new JitError('message.too-large', `the message has more than ${cap} bytes`)
}
