import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { CONTROL, frame, frameReader, MESSAGE, responseFrame } from '../../../src/api/frames.js'
import { type HelloFrame, helloFrame } from '../../../src/api/schema.ts'

const message = z.looseObject({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.looseObject({}).optional(),
})
export type Message = z.infer<typeof message>

/** One connection of a shim, as the daemon sees it. */
export interface Visit {
  readonly hello: HelloFrame
  readonly socket: Socket
  /** Everything that the shim sent after its hello. */
  readonly heard: Message[]
  answer(id: string | number, result: unknown): void
  fail(id: string | number, error: { code: number; message: string }): void
  say(value: unknown): void
  /** Stops in good order, as the real daemon does for `jit stop`. */
  bye(): void
}

export interface FakeDaemonOptions {
  /** What to do with a message; answers `initialize` and echoes everything else unless told. */
  onMessage?(this: void, visit: Visit, heard: Message, raw: Buffer): void
  /** Instead of a welcome. */
  refuse?: { code: string; message: string; hint: string; rpc: number } | undefined
  silent?: boolean
}

/** A daemon of a dozen lines behind `connect.sock` of a home: what it does is the test's to say, at any time. */
export class FakeDaemon {
  readonly visits: Visit[] = []
  readonly options: FakeDaemonOptions
  #server: Server | undefined
  #sockets = new Set<Socket>()
  readonly #path: string

  constructor(home: string, options: FakeDaemonOptions = {}) {
    mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 })
    this.#path = join(home, 'run/connect.sock')
    this.options = options
  }

  async start(): Promise<this> {
    rmSync(this.#path, { force: true })
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.listen(this.#path)
    await once(this.#server, 'listening')
    return this
  }

  /** As a killed process would: every socket is gone at once, without a word. */
  async die(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    await new Promise((resolve) => server.close(resolve))
    rmSync(this.#path, { force: true })
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    let visit: Visit | undefined
    const read = frameReader((kind, payload) => {
      if (kind === CONTROL) {
        visit = this.#welcome(socket, helloFrame.parse(JSON.parse(payload.toString('utf8'))))
        return
      }
      if (kind !== MESSAGE || visit === undefined) throw new Error(`a frame of kind ${kind} before the hello`)
      const heard = parse(payload)
      visit.heard.push(heard)
      const act = this.options.onMessage ?? echo
      act(visit, heard, payload)
    })
    socket.on('data', read)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #welcome(socket: Socket, hello: HelloFrame): Visit {
    const control = (value: unknown): unknown => socket.write(frame(CONTROL, JSON.stringify(value)))
    const answer = (id: string | number, body: object): unknown =>
      socket.write(responseFrame(JSON.stringify(id), JSON.stringify({ jsonrpc: '2.0', id, ...body })))
    const visit: Visit = {
      hello,
      socket,
      heard: [],
      answer: (id, result) => void answer(id, { result }),
      fail: (id, error) => void answer(id, { error }),
      say: (value) => void socket.write(frame(MESSAGE, JSON.stringify(value))),
      bye: () => {
        control({ bye: 1 })
        socket.end()
      },
    }
    this.visits.push(visit)
    if (this.options.silent === true) return visit
    if (this.options.refuse === undefined) control({ welcome: 1, daemon: process.pid })
    else {
      control({ error: this.options.refuse })
      socket.end()
    }
    return visit
  }
}

/** Answers each request with what it asked. */
export function echo(visit: Visit, { id, method, params }: Message): void {
  if (id === undefined || method === undefined) return
  visit.answer(
    id,
    method === 'initialize'
      ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'fake', version: '1' } }
      : { method, params },
  )
}

function parse(payload: Buffer): Message {
  try {
    return message.parse(JSON.parse(payload.toString('utf8')))
  } catch {
    return {}
  }
}
