import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { JitError, quote } from '../core/errors.ts'

/** The file that a command means: by its path, or by PATH. Throws `server.start`. */
export function findCommand(command: string): string {
  if (isAbsolute(command)) return command
  const places = command.includes('/')
    ? [resolve(command)]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, command))
  const found = places.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
  if (found === undefined) throw new JitError('server.start', `there is no command ${quote(command)}`)
  return found
}
