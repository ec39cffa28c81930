/** An upstream over TLS that answers at once. `egress-upstream.mjs KEY CERT`: files; prints its port. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'

const [, , key = '', cert = ''] = process.argv
const body = JSON.stringify({ number: 42, title: 'an issue', state: 'open' })
const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
  request.resume()
  // Whoever asks with the placeholder would measure a proxy that puts nothing in its place.
  const isGenuine = request.headers.authorization === 'Bearer ghs_Real0Token1Real0Token1Real0Token1Real'
  response.writeHead(isGenuine ? 200 : 401, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' && address !== null ? address.port : 0 }))
})
