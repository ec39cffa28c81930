import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { daemonFlags, programFile, sourceCache } from '../../shim/launch.js'
import { command } from '../context.ts'

export function daemonCommand(): Command {
  return command('daemon', 'run the daemon in the foreground', 'jit daemon').action(() => {
    const file = programFile('daemon/main')
    const child = spawn(process.execPath, [...daemonFlags, file, '--foreground'], {
      stdio: 'inherit',
      env: { ...process.env, ...sourceCache(file) },
    })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
    child.on('exit', (code) => {
      process.exitCode = code ?? 1
    })
  })
}
