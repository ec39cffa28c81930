/** Times in milliseconds, sizes in bytes. */
export interface HttpLimits {
  /** Connections at once: beyond them the oldest that has shown no token is closed without a word. */
  readonly connections: number
  /** Of those that show one token, so that its clients cannot keep others out. */
  readonly connectionsOfToken: number
  /** All headers of a request together. */
  readonly headerBytes: number
  readonly headers: number
  /** From the first byte of a request to the end of its headers, and to the end of its body. */
  readonly headTime: number
  readonly requestTime: number
  /** Between two requests of one connection. */
  readonly idleConnection: number
  /** Bodies that are being read or wait, together, and of one token. */
  readonly bodies: number
  readonly bodiesOfToken: number
  /** Sessions of one token, over all servers. */
  readonly sessions: number
  /** Of those, sessions with one server: each may be a process of its own. */
  readonly sessionsOfServer: number
  /** Sessions of all tokens. */
  readonly sessionsInAll: number
  /** A session that nobody uses and nobody listens to ends. */
  readonly idleSession: number
  /** What clients of 2026-07-28 share of a server ends when none of them uses it. */
  readonly idleServer: number
  /** An answer that takes longer begins as a stream, so that nobody takes the silence for an end. */
  readonly quiet: number
  /** A comment on every open stream, for whoever closes silent ones. */
  readonly keepAlive: number
  /** A reader that takes nothing for so long loses its stream: others wait for it. */
  readonly stall: number
  /** What a session keeps of its events, for a client that comes back for them. */
  readonly replayBytes: number
  readonly replayEvents: number
  readonly replayTime: number
  /** What a client is told to wait before it comes back. */
  readonly retry: number
}

export const httpLimits: HttpLimits = {
  connections: 256,
  connectionsOfToken: 128,
  headerBytes: 32 * 1024,
  headers: 64,
  headTime: 10_000,
  requestTime: 30_000,
  idleConnection: 65_000,
  bodies: 64 * 1024 * 1024,
  bodiesOfToken: 32 * 1024 * 1024,
  sessions: 64,
  sessionsOfServer: 32,
  sessionsInAll: 128,
  idleSession: 30 * 60_000,
  // A person may take their time between two rounds of one call.
  idleServer: 30 * 60_000,
  quiet: 10_000,
  keepAlive: 15_000,
  stall: 60_000,
  replayBytes: 1024 * 1024,
  replayEvents: 1000,
  replayTime: 5 * 60_000,
  retry: 1000,
}
