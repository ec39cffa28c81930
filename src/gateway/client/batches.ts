import { JitError } from '../../core/errors.ts'
import { scalarJson } from '../../core/json.ts'
import { classify, errorAnswer, type Id, type Message } from '../protocol/jsonrpc.ts'

const elementsCap = 1000

interface Batch {
  /** Id (as JSON) of its first request: the answer is sent under that. */
  readonly first: string
  readonly answers: string[]
  bytes: number
  waiting: number
}

export interface BatchesOptions {
  /** Whether a request of this id (as JSON) is under way. */
  isInFlight(id: string): boolean
  /** One message, as if it had come alone. */
  deliver(message: Message): void
  /** Answers collected in one array, under the id of the first request among them; an empty line when there is none to give. */
  answer(id: string, line: string): void
  refused(error: JitError): void
  /** Bytes that all answers of a batch may have together. */
  cap(): number
}

/** Batches of the client: each message is governed by itself and reaches the server alone; the answers go back together. */
export class Batches {
  readonly #options: BatchesOptions
  /** Id (as JSON) → the batch that its request came in. */
  readonly #open = new Map<string, Batch>()

  constructor(options: BatchesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  receive(elements: readonly unknown[]): void {
    if (elements.length === 0 || elements.length > elementsCap)
      return this.#options.answer('null', this.#refusal(null, `a batch has 1 to ${elementsCap} messages, not ${elements.length}`))
    const messages = elements.map((element) => classify(element))
    const first = messages.find((message) => message?.kind === 'request')
    const batch: Batch = { first: first?.kind === 'request' ? scalarJson(first.id) : 'null', answers: [], bytes: 0, waiting: 0 }
    const accepted = messages.filter((message) => this.#accept(batch, message))
    // One more than there are, until the last was delivered: answers may come at once.
    batch.waiting += 1
    for (const message of accepted) if (message !== undefined) this.#options.deliver(message)
    this.#settle(batch)
  }

  /** An answer, or an empty line for none; false when its request came in no batch. */
  answered(id: string, line: string): boolean {
    const batch = this.#open.get(id)
    if (batch === undefined) return false
    this.#open.delete(id)
    this.#collect(batch, id, line)
    this.#settle(batch)
    return true
  }

  #accept(batch: Batch, message: Message | undefined): boolean {
    if (message === undefined) batch.answers.push(this.#refusal(null, 'a part of the batch is not JSON-RPC 2.0'))
    if (message?.kind !== 'request') return message !== undefined
    const id = scalarJson(message.id)
    const problem =
      message.method === 'initialize'
        ? 'the handshake is no part of a batch'
        : this.#isTaken(id)
          ? `the id ${id} is in flight already`
          : undefined
    if (problem !== undefined) batch.answers.push(this.#refusal(message.id, problem))
    if (problem !== undefined) return false
    this.#open.set(id, batch)
    batch.waiting += 1
    return true
  }

  #isTaken(id: string): boolean {
    return this.#open.has(id) || this.#options.isInFlight(id)
  }

  #refusal(id: Id | null, problem: string): string {
    const error = new JitError('message.malformed', problem)
    this.#options.refused(error)
    return JSON.stringify(errorAnswer(id, error))
  }

  #collect(batch: Batch, id: string, line: string): void {
    if (line === '') return
    batch.bytes += Buffer.byteLength(line) + 1
    const cap = this.#options.cap()
    if (batch.bytes <= cap) return void batch.answers.push(line)
    const error = new JitError('message.too-large', `the answers of the batch have more than ${cap} bytes`, {
      hint: 'Ask for less at once, or raise `limits.resultBytes`.',
    })
    batch.answers.push(JSON.stringify(errorAnswer(JSON.parse(id), error)))
  }

  #settle(batch: Batch): void {
    batch.waiting -= 1
    if (batch.waiting > 0) return
    if (batch.answers.length > 0) this.#options.answer(batch.first, `[${batch.answers.join(',')}]`)
    else if (batch.first !== 'null') this.#options.answer(batch.first, '')
  }
}
