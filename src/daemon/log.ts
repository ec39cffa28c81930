import { appendFileSync, closeSync, constants, renameSync, statSync } from 'node:fs'
import type { Clock } from '../core/clock.ts'
import { openRegular } from '../core/regular-file.ts'
import type { Logger } from '../core/types.ts'

const rotateAt = 10 * 1024 * 1024
const levels = ['debug', 'info', 'warn', 'error'] as const

/** JSON lines to a file that is rotated once at 10 MiB; or readable lines to stderr in the foreground. */
export function createLogger(options: { file: string; foreground: boolean; clock: Clock; level?: (typeof levels)[number] }): Logger {
  const lowest = levels.indexOf(options.level ?? 'info')
  const write = (level: (typeof levels)[number], message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    if (levels.indexOf(level) < lowest) return
    const time = new Date(options.clock.now()).toISOString()
    if (options.foreground) {
      const rest = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      process.stderr.write(`${time.slice(11, 19)} ${level.padEnd(5)} ${message} ${rest.join(' ')}\n`)
      return
    }
    try {
      if ((statSync(options.file, { throwIfNoEntry: false })?.size ?? 0) > rotateAt) renameSync(options.file, `${options.file}.1`)
      const line = `${JSON.stringify({ time, level, message, ...fields })}\n`
      // A pipe under its name must not make the daemon wait.
      const descriptor = openRegular(options.file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, {
        follow: true,
        ofAnyone: true,
      })
      try {
        appendFileSync(descriptor, line)
      } finally {
        closeSync(descriptor)
      }
    } catch {
      // A log that cannot be written must not stop the daemon; the trail has its own rule.
    }
  }
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  }
}
