import type { Duplex } from 'node:stream'
import type { InFlightCall, LaneEgress } from './types.ts'

/** What egress knows of one lane while it lives. */
export class Lane {
  readonly options: LaneEgress
  readonly nonce: string
  readonly calls = new Set<InFlightCall>()
  readonly sockets = new Set<Duplex>()
  /** Requests under way, by call, so that they end with it. */
  readonly running = new Map<string, Set<() => void>>()

  constructor(options: LaneEgress, nonce: string) {
    this.options = options
    this.nonce = nonce
  }

  begin(call: InFlightCall): () => void {
    this.calls.add(call)
    return () => {
      if (!this.calls.delete(call)) return
      for (const stop of this.running.get(call.call) ?? []) stop()
      this.running.delete(call.call)
    }
  }

  keep(socket: Duplex): void {
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
  }

  /** Remembers how to stop a request; the answer forgets it again. */
  track(call: string, stop: () => void): () => void {
    const stops = this.running.get(call) ?? new Set()
    this.running.set(call, stops)
    stops.add(stop)
    return () => stops.delete(stop)
  }

  close(): void {
    this.calls.clear()
    for (const socket of this.sockets) socket.destroy()
  }
}
