import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { demoEnvironment, launcher, root } from '../support/command.ts'
import type { Program } from './pipe.ts'

export interface TestDaemon {
  readonly home: string
  /** What a client of this server starts that speaks stdio. */
  connect(server: string): Program
  log(): string
  close(): Promise<void>
}

/** A daemon in a home of its own; `servers` are the lines of the `servers:` part of its config, `rest` those beside it. */
export async function startDaemon(servers: readonly string[], rest: readonly string[] = []): Promise<TestDaemon> {
  const home = mkdtempSync(join(tmpdir(), 'jit-conformance-'))
  writeFileSync(join(home, 'jit.yaml'), ['version: 1', ...rest, 'servers:', ...servers.map((line) => `  ${line}`), ''].join('\n'), {
    mode: 0o600,
  })
  const child = spawn(process.execPath, [join(root, 'src/daemon/main.ts')], {
    cwd: root,
    env: demoEnvironment(home),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
  const ended = new Promise<void>((settle) => child.once('close', () => settle()))
  const daemon = {
    home,
    connect: (server: string) => ({ command: process.execPath, args: [launcher, 'connect', server], env: demoEnvironment(home) }),
    log: () => (existsSync(join(home, 'jit.log')) ? readFileSync(join(home, 'jit.log'), 'utf8') : words),
    close: async () => {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(timer)
      rmSync(home, { recursive: true, force: true })
    },
  }
  if (!(await listens(join(home, 'run', 'connect.sock'), () => child.exitCode === null && child.signalCode === null))) {
    const said = `${words}${daemon.log()}`
    await daemon.close()
    throw new Error(`the daemon did not start: ${said}`)
  }
  return daemon
}

/** Asks every 50 ms, for at most 60 s and more, and no longer than the process lives. */
async function listens(path: string, alive: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 1200 && alive(); attempt += 1) {
    const open = await new Promise<boolean>((settle) => {
      const socket = dial(path)
      socket.once('error', () => settle(false))
      socket.once('connect', () => {
        socket.destroy()
        settle(true)
      })
    })
    if (open) return true
    await new Promise((settle) => setTimeout(settle, 50))
  }
  return false
}
