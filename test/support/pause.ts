import type { IncomingMessage } from 'node:http'

/** Lets a request wait so many milliseconds; less when its client goes away or the signal aborts. */
export function pauseFor(request: IncomingMessage, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      request.socket.off('close', end)
      resolve()
    }
    const timer = setTimeout(end, delay)
    request.socket.once('close', end)
    signal?.addEventListener('abort', end, { once: true })
  })
}
