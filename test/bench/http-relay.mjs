/** The floor for HTTP clients of a stdio server: one process on node:http that parses and re-serialises. `http-relay.mjs PORT SERVER` */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'

const [, , port = '0', server = ''] = process.argv
const child = spawn(process.execPath, [server], { stdio: ['pipe', 'pipe', 'inherit'] })
/** @type {Map<unknown, (text: string) => void>} */
const waiting = new Map()

createInterface({ input: child.stdout }).on('line', (line) => {
  const message = JSON.parse(line)
  waiting.get(message.id)?.(JSON.stringify(message))
  waiting.delete(message.id)
})

createServer((request, response) => {
  // No stream of its own, and no session to end.
  if (request.method !== 'POST') return void response.writeHead(405).end()
  /** @type {Buffer[]} */
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const message = JSON.parse(Buffer.concat(chunks).toString())
    if (message.id === undefined) response.writeHead(202).end()
    else
      waiting.set(message.id, (text) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
        response.end(text)
      })
    child.stdin.write(`${JSON.stringify(message)}\n`)
  })
}).listen(Number(port), '127.0.0.1')
