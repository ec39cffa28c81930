import type { Command } from 'commander'
import { daemonEnvironment, daemonFlags, programFile, runInstead, sourceCache } from '../../shim/launch.js'
import { action, command } from '../context.ts'

export function daemonCommand(): Command {
  return command('daemon', 'run the daemon in the foreground, with its log on the terminal', 'jit daemon').action(
    action(() => {
      const file = programFile('daemon/main')
      runInstead(process.execPath, [...daemonFlags, file, '--foreground'], { ...daemonEnvironment, ...sourceCache(file) })
    }),
  )
}
