import { JitError } from '../../core/errors.ts'
import { scalarJson } from '../../core/json.ts'
import { batchRevision, type Message } from '../protocol/jsonrpc.ts'
import type { Requests } from './requests.ts'
import type { LaneSettings } from './settings.ts'
import { ambiguity, excessiveDepth, readBatch, readLine, readPlainAnswer, writeAgain } from '../protocol/server-line.ts'

/** Where what was read goes. */
export interface LaneSink {
  readonly requests: Pick<Requests, 'answered' | 'fail'>
  /** What is read then counts for nothing. */
  ended(): boolean
  /** What answers nothing; `about` which request of the client's, if known. */
  message(message: Message, line: string, about: string | undefined): void
  warn(message: string, text: () => string): void
}

/** What a lane reads: lines of a server, of which answers go to whoever asked, and all else to the connection. */
export class LaneReader {
  readonly #settings: Pick<LaneSettings, 'handshake' | 'onRefused'>
  readonly #sink: LaneSink

  constructor(settings: Pick<LaneSettings, 'handshake' | 'onRefused'>, sink: LaneSink) {
    this.#settings = settings
    this.#sink = sink
  }

  /** True when it was the answer to the request that it is about. */
  read(bytes: Buffer, about: string | undefined): boolean {
    if (this.#sink.ended()) return false
    let line = bytes.toString('utf8')
    const plain = readPlainAnswer(line)
    const message = plain ?? readLine(line)
    const depth = excessiveDepth(line)
    if (depth !== undefined) return this.#refuseAll(message === undefined ? readBatch(line) : [message], depth, about)
    if (message === undefined && this.#settings.handshake.revision === batchRevision && /^\s*\[/.test(line))
      return this.#readBatch(line, about)
    if (message === undefined) {
      this.#sink.warn('server wrote something that is not JSON-RPC', () => line)
      return false
    }
    const isAnswer = message.kind === 'response' && (message.id === null ? 'null' : scalarJson(message.id)) === about
    if (message.kind === 'response' && about !== undefined && !isAnswer) {
      this.#sink.warn('answer on the stream of another request dropped', () => about)
      return false
    }
    const problem = plain === undefined ? ambiguity(line) : undefined
    if (problem !== undefined) {
      this.#refuse(message, problem)
      return isAnswer
    }
    // Some readers take it for the end of a line: what stands behind it would be a message that nobody looked at.
    line = line.replaceAll('\r', ' ')
    if (message.kind === 'response') {
      this.#sink.requests.answered(message.id, { line, value: message.value })
      return isAnswer
    }
    try {
      this.#sink.message(message, line, about)
    } catch (error) {
      // Nested so deeply, for one, that it cannot be written again.
      this.#sink.warn('message of a server dropped', () => String(error))
    }
    return false
  }

  /** Taken apart: each message counts for itself, and travels alone. */
  #readBatch(line: string, about: string | undefined): boolean {
    const answered = readBatch(line).map((message) => {
      const own = writeAgain(message.value)
      if (own !== undefined) return this.read(own, about)
      this.#refuse(message, new JitError('message.malformed', 'a message of the server is nested too deeply'))
      return false
    })
    return answered.includes(true)
  }

  /** Its calls must not wait for an answer that was thrown away. True when the request that it is about was among them. */
  #refuseAll(messages: readonly Message[], error: JitError, about: string | undefined): boolean {
    if (messages.length === 0) this.#settings.onRefused(error)
    for (const message of messages) this.#refuse(message, error)
    return messages.some((message) => message.kind === 'response' && message.id !== null && scalarJson(message.id) === about)
  }

  #refuse(message: Message, error: JitError): void {
    this.#settings.onRefused(error)
    if (message.kind === 'response') this.#sink.requests.fail(message.id, error)
  }
}
