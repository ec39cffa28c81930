/**
 * The floor for jit's shape: the same two processes (a shim on stdio, a daemon behind a unix socket that starts the server),
 * which parse and re-serialise every line and do nothing else. `relay.mjs daemon SOCKET SERVER` and `relay.mjs shim SOCKET`.
 */
import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'

const [, , role, socketPath = '', serverFile = ''] = process.argv

if (role === 'daemon') {
  createServer((socket) => {
    const child = spawn(process.execPath, [serverFile], { stdio: ['pipe', 'pipe', 'inherit'] })
    relay(socket, child.stdin)
    relay(child.stdout, socket)
    socket.on('close', () => child.kill())
    socket.on('error', () => child.kill())
  }).listen(socketPath)
} else {
  const socket = connect(socketPath)
  relay(process.stdin, socket)
  relay(socket, process.stdout)
  process.stdin.on('end', () => socket.end())
  socket.on('close', () => process.exit(0))
}

/**
 * @param {NodeJS.ReadableStream} from
 * @param {NodeJS.WritableStream} to
 */
function relay(from, to) {
  /** @type {Buffer[]} */
  let parts = []
  from.on('data', (/** @type {Buffer} */ chunk) => {
    let start = 0
    let out = ''
    for (;;) {
      const end = chunk.indexOf(10, start)
      if (end === -1) break
      parts.push(chunk.subarray(start, end))
      const line = parts.length === 1 ? parts[0] : Buffer.concat(parts)
      out += `${JSON.stringify(JSON.parse(String(line)))}\n`
      parts = []
      start = end + 1
    }
    if (start < chunk.length) parts.push(chunk.subarray(start))
    if (out !== '' && !to.write(out)) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  })
}
