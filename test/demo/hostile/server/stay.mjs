import { spawn } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, statSync } from 'node:fs'

/** A file, or the names in a folder. @param {Record<string, any>} act */
export function read({ path }) {
  return { found: statSync(path).isDirectory() ? readdirSync(path).join('\n') : readFileSync(path, 'latin1').slice(0, 4000) }
}

/** @param {Record<string, any>} act */
export function write({ path, text }) {
  appendFileSync(path, text)
  return { written: true }
}

/**
 * Leaves a process in a session of its own, which goes on when everything else of the server is gone and then tries the
 * server's way out; it ends by itself after a while.
 * @param {Record<string, any>} act
 */
export function leave({ mark, file }) {
  const code = `
    const { connect } = require('node:net'), { appendFileSync } = require('node:fs')
    const { port, username, password } = new URL(process.env.HTTPS_PROXY)
    const shown = Buffer.from(decodeURIComponent(username) + ':' + decodeURIComponent(password)).toString('base64')
    setTimeout(() => process.exit(), 60000)
    setInterval(() => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('CONNECT api.github.com:443 HTTP/1.1\\r\\nHost: api.github.com:443\\r\\nProxy-Authorization: Basic ' + shown + '\\r\\n\\r\\n'))
      socket.once('data', (part) => (appendFileSync(process.argv[2], String(part).slice(9, 12) + '\\n'), socket.destroy())).once('error', () => undefined)
    }, 300)`
  const { pid } = spawn(process.execPath, ['-e', code, mark, file], { detached: true, stdio: 'ignore' })
  return { left: pid !== undefined }
}
