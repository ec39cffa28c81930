import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { seededRandom } from '../support/random.ts'

/**
 * A process of its own that opens many connections to one place and holds them: `node flood.ts PLACE COUNT SEED`, PLACE being a port
 * of 127.0.0.1 or the path of a socket. One says nothing, another half a request, rubbish, or a request without what it takes.
 * Writes a line of JSON (`FloodReport`) when all were tried, another on each line of its input, and ends with its input.
 */
export const floodReport = z.object({
  /** Connections that were made. */
  made: z.number(),
  /** That failed before: the kernel's queue was full, or nobody accepted. */
  refused: z.number(),
  /** That the other side has not closed yet. */
  open: z.number(),
})
export type FloodReport = z.infer<typeof floodReport>

const openings = [
  '',
  '',
  'GET /',
  'POST /mcp/shared HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n{',
  'GET /repos/acme/web HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer nobody\r\n\r\n',
  'CONNECT api.github.com:443 HTTP/1.1\r\nHost: api.github.com:443\r\n\r\n',
  '\0\xff\xff\xff\xff',
  '\x16\x03\x01\x02\x00',
] as const
/** At once under way. */
const wave = 250
/** Milliseconds for one to be made. */
const patience = 5000

if (import.meta.main) await run()

async function run(): Promise<void> {
  const [place = '', count = '0', seed = '0'] = process.argv.slice(2)
  const target: NetConnectOpts = /^\d+$/.test(place) ? { port: Number(place), host: '127.0.0.1' } : { path: place }
  const random = seededRandom(Number(seed))
  const open = new Set<Socket>()
  const report: FloodReport = { made: 0, refused: 0, open: 0 }
  const say = (): void => void process.stdout.write(`${JSON.stringify({ ...report, open: open.size })}\n`)
  for (let tried = 0; tried < Number(count); tried += wave) {
    const results = await Promise.all(
      Array.from({ length: Math.min(wave, Number(count) - tried) }, () => hold(target, random.pick(openings), open)),
    )
    report.made += results.filter(Boolean).length
    report.refused += results.filter((made) => !made).length
    await pause(1)
  }
  say()
  process.stdin.on('data', say).on('end', () => process.exit())
}

/** False: it was not made. */
function hold(target: NetConnectOpts, words: string, open: Set<Socket>): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(target)
    const timer = setTimeout(() => socket.destroy(), patience)
    socket.once('connect', () => {
      clearTimeout(timer)
      open.add(socket)
      socket.resume()
      if (words !== '') socket.write(Buffer.from(words, 'latin1'))
      resolve(true)
    })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(timer)
      open.delete(socket)
      resolve(false)
    })
  })
}
