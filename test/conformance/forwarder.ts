import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { listen, type Loopback } from './fixtures/loopback.ts'

/**
 * Stands before an endpoint that wants a header which the suites cannot send. All else goes through as it came, a foreign Host or
 * Origin too, so that whoever is behind it is the one to judge them; only what names this forwarder names the endpoint instead.
 */
export async function startForwarder(target: URL, headers: Readonly<Record<string, string>>): Promise<Loopback> {
  const server = createServer((incoming, outgoing) => forward(incoming, outgoing, target, own, headers))
  const { address, close } = await listen(server)
  const own = new URL(address).port
  return { address: `${address}${target.pathname}`, close }
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: URL,
  own: string,
  headers: Readonly<Record<string, string>>,
): void {
  const { host, origin, ...others } = incoming.headers
  const onward = request(target, { method: incoming.method ?? 'GET' }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    // The head goes out at once: a stream may have nothing to say for long.
    outgoing.flushHeaders()
    pipeline(answer, outgoing, () => answer.destroy())
  })
  for (const [name, value] of Object.entries({ ...others, ...headers })) if (value !== undefined) onward.setHeader(name, value)
  onward.setHeader('host', renamed(host ?? '', own, target.port))
  if (origin !== undefined) onward.setHeader('origin', renamed(origin, own, target.port))
  onward.once('error', () => outgoing.destroy())
  outgoing.once('close', () => onward.destroy())
  incoming.pipe(onward)
}

function renamed(host: string, own: string, port: string): string {
  return host.endsWith(`:${own}`) ? `${host.slice(0, -own.length)}${port}` : host
}
