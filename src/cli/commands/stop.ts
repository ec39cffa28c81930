import type { Command } from 'commander'
import { z } from 'zod'
import { routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { print, printJson } from '../output.ts'

const patience = 15_000

export function stopCommand(): Command {
  return command('stop', 'stop the daemon: servers end, leases are revoked', 'jit stop').action(
    action(async ({ client, json }) => {
      const { pid } = z.object({ pid: z.number() }).parse(await client.call(routes.stop, { noStart: true }))
      const deadline = Date.now() + patience
      while (alive(pid)) {
        if (Date.now() > deadline) throw new JitError('daemon.running', `the daemon (pid ${pid}) did not end within ${patience / 1000} s`)
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      if (json) printJson({ stopped: true, pid })
      else print(`the daemon (pid ${pid}) stopped`)
    }),
  )
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
