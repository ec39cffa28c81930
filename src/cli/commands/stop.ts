import type { Command } from 'commander'
import { z } from 'zod'
import { routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { Unreachable } from '../../shim/start-daemon.js'
import { action, command } from '../context.ts'
import { withProgress } from '../output/progress.ts'
import { colours, print, printJson } from '../output/terminal.ts'

const patience = 15_000
const glance = 25

export function stopCommand(): Command {
  return command('stop', 'stop the daemon: servers end, credentials are revoked', 'jit stop').action(
    action(async ({ client, json }) => {
      const answer = await client.call(routes.stop, { noStart: true }).catch((error: unknown) => {
        if (error instanceof JitError && error.cause instanceof Unreachable && error.cause.absent) return undefined
        throw error
      })
      if (answer === undefined) return json ? printJson({ stopped: false }) : print('no daemon runs for this home')
      const { pid } = z.object({ pid: z.number() }).parse(answer)
      await withProgress('servers end, credentials are revoked', gone(pid))
      if (json) printJson({ stopped: true, pid })
      else print(`${colours.green('✓')} the daemon (pid ${pid}) stopped`)
    }),
  )
}

async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + patience
  while (isAlive(pid)) {
    if (Date.now() > deadline)
      throw new JitError('daemon.running', `the daemon (pid ${pid}) did not end within ${patience / 1000} s`, {
        hint: `It may still be revoking. \`kill -9 ${pid}\` ends it; the next one revokes what is left.`,
      })
    await new Promise((resolve) => setTimeout(resolve, glance))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
