import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { programFile } from '../../shim/launch.js'
import { command } from '../context.ts'

export function daemonCommand(): Command {
  return command('daemon', 'run the daemon in the foreground', 'jit daemon').action(() => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', programFile('daemon/main'), '--foreground'], { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
    child.on('exit', (code) => {
      process.exitCode = code ?? 1
    })
  })
}
