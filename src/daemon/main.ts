import { runDaemon } from './daemon.ts'
import { toJitError } from '../core/errors.ts'
import { providers } from '../../providers/index.ts'

/** The daemon's process. `--foreground` writes its log to the terminal. */
try {
  await runDaemon({ providers, foreground: process.argv.includes('--foreground') })
} catch (error) {
  const failure = toJitError(error)
  process.stderr.write(`error: ${failure.message}\nhint: ${failure.hint}\n`)
  if (failure.code === 'internal') process.stderr.write(`${failure.cause instanceof Error ? (failure.cause.stack ?? '') : ''}\n`)
  process.exit(failure.exitCode)
}
