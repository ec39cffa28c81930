import type { Logger } from '../core/types.ts'

/** Logs the first ten, then whenever their number has doubled: a server must not push everything else out of the log. */
export function sparseLog(log: Logger, fields: Readonly<Record<string, unknown>>): (message: string, text: () => string) => void {
  let count = 0
  return (message, text) => {
    count += 1
    if (count <= 10 || (count & (count - 1)) === 0) log.warn(message, { ...fields, text: text(), count })
  }
}
