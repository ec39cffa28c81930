import { connect, createServer } from 'node:net'

export function freePort(): Promise<number> {
  return new Promise((settle) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => settle(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** Resolves when something listens at the port, or at the socket of this path; rejects after a minute. */
export async function listens(at: number | string): Promise<void> {
  for (let attempt = 0; attempt < 1200; attempt += 1) {
    const open = await new Promise<boolean>((settle) => {
      const socket = typeof at === 'number' ? connect(at, '127.0.0.1') : connect(at)
      socket.once('error', () => settle(false))
      socket.once('connect', () => {
        socket.destroy()
        settle(true)
      })
    })
    if (open) return
    await new Promise((settle) => setTimeout(settle, 50))
  }
  throw new Error(`nothing listens at ${at}`)
}
