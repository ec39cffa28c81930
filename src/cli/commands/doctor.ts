import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { type DoctorView, doctorView, routes } from '../../api/schema.ts'
import { JitError, toJitError } from '../../core/errors.ts'
import { checkOwner, myPlaces } from '../../shim/paths.js'
import type { Client } from '../client.ts'
import { action, command } from '../context.ts'
import { table } from '../output/layout.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { count, plain } from '../output/text.ts'
import { recoveredText, recoverStore } from '../recover-store.ts'

type Check = DoctorView['checks'][number]

export function doctorCommand(): Command {
  return command('doctor', 'what on this machine weakens or breaks it', 'jit doctor', 'jit doctor --recover-store')
    .option('--recover-store', 'no daemon runs: make a new store of what can be read of a damaged one, which is kept')
    .action(
      action(async ({ client, json, options }) => {
        if (options.flag('recoverStore')) {
          const recovered = await recoverStore()
          if (json) printJson(recovered)
          else print(recoveredText(recovered))
          return
        }
        const checks = [...(await localChecks()), ...(await daemonChecks(client))]
        if (json) printJson({ checks })
        else print(report(checks))
        if (checks.some((check) => check.state === 'fail')) process.exitCode = new JitError('daemon.unreachable', '').exitCode
      }),
    )
}

export function report(checks: readonly Check[]): string {
  const marks = {
    ok: { text: '✓', paint: colours.green },
    warn: { text: '!', paint: colours.yellow },
    fail: { text: '✗', paint: colours.red },
  }
  const rows = checks.map(({ name, state, found, advice }) => [name, marks[state], advice === '' ? found : `${found}. ${advice}`])
  const bad = checks.filter(({ state }) => state === 'fail').length
  const weak = checks.filter(({ state }) => state === 'warn').length
  const summary =
    bad > 0
      ? colours.red(`${bad} broken`)
      : weak > 0
        ? `nothing broken, ${colours.yellow(count(weak, 'weak point'))}`
        : colours.green('nothing found')
  return `${table(['check', '', 'found'], rows)}\n\n${summary}`
}

/** What can be said without a daemon: enough to see why there is none. */
async function localChecks(): Promise<Check[]> {
  const { configFile, runtime, connectSocket } = await myPlaces()
  const folder = ((): string => {
    try {
      checkOwner(connectSocket)
      return ''
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  })()
  return [
    { name: 'this Node', state: 'ok', found: `${process.version}, ${process.execPath}`, advice: '' },
    {
      name: 'sockets',
      state: folder === '' ? 'ok' : 'fail',
      found: folder || runtime,
      advice: folder === '' ? '' : 'Remove it: the daemon makes it anew.',
    },
    {
      name: 'config file',
      state: existsSync(configFile) ? 'ok' : 'warn',
      found: existsSync(configFile) ? configFile : `none at ${configFile}`,
      advice: existsSync(configFile) ? '' : '`jit login` and `jit add` write it.',
    },
  ]
}

/** The daemon's own; that it does not run is a finding like any other. */
async function daemonChecks(client: Client): Promise<Check[]> {
  try {
    return doctorView.parse(await client.call(routes.doctor, { deadline: 600_000 })).checks
  } catch (error) {
    const { message, hint } = toJitError(error)
    const { logFile } = await myPlaces()
    return [
      {
        name: 'daemon',
        state: 'fail',
        found: plain(message),
        advice: `${plain(hint)}${existsSync(logFile) ? ` Its log: ${logFile}` : ''}`,
      },
    ]
  }
}
