import type { IncomingMessage } from 'node:http'
import { JitError } from '../../core/errors.ts'
import type { HttpLimits } from './limits.ts'

/** Reads bodies, one by one within their cap, and those of one token and all together within theirs: slow senders must not fill the memory. */
export class Bodies {
  readonly #limits: Pick<HttpLimits, 'bodies' | 'bodiesOfToken'>
  readonly #heldOf = new Map<string, number>()
  #held = 0

  constructor(limits: Pick<HttpLimits, 'bodies' | 'bodiesOfToken'>) {
    this.#limits = limits
  }

  /**
   * Calls back once, with the whole body or why it is not taken; not at all when the sender goes away. Call `release` of what
   * was read when it is not needed any more. `owner`: the name of its token.
   */
  read(request: IncomingMessage, owner: string, cap: number, done: (body: Buffer | JitError) => void): void {
    // A sender that is still sending does not hear an answer: the rest is read, and thrown away.
    const refuse = (error: JitError): void => {
      request.once('end', () => done(error)).resume()
    }
    if (Number(request.headers['content-length'] ?? 0) > cap) return refuse(tooLarge(cap))
    const chunks: Buffer[] = []
    let size = 0
    const fail = (error: JitError): void => {
      this.#hold(owner, -size)
      request.removeListener('data', take).removeListener('end', end).removeListener('close', gone)
      refuse(error)
    }
    const take = (chunk: Buffer): void => {
      size += chunk.length
      const isFull = this.#hold(owner, chunk.length)
      if (size > cap) return fail(tooLarge(cap))
      if (isFull) return fail(new JitError('daemon.busy', 'as many messages as there is room for are being read already'))
      chunks.push(chunk)
    }
    const end = (): void => {
      request.removeListener('close', gone)
      const [first] = chunks
      done(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size))
    }
    const gone = (): void => {
      this.#hold(owner, -size)
    }
    request.on('data', take).once('end', end).once('close', gone)
  }

  release(body: Buffer, owner: string): void {
    this.#hold(owner, -body.length)
  }

  /** Whether it is too much now. */
  #hold(owner: string, bytes: number): boolean {
    const own = (this.#heldOf.get(owner) ?? 0) + bytes
    this.#held += bytes
    if (own === 0) this.#heldOf.delete(owner)
    else this.#heldOf.set(owner, own)
    return this.#held > this.#limits.bodies || own > this.#limits.bodiesOfToken
  }
}

function tooLarge(cap: number): JitError {
  return new JitError('message.too-large', `the message has more than ${cap} bytes`)
}
