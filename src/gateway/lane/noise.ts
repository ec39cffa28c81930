import type { Logger } from '../../core/types.ts'

/**
 * Logs the first ten of each message, then whenever their number has doubled: a server must push nothing else out of the log, and
 * hide nothing behind a flood of another kind. The messages are jit's own words, so that they are few.
 */
export function sparseLog(log: Logger, fields: Readonly<Record<string, unknown>>): (message: string, text: () => string) => void {
  const counts = new Map<string, number>()
  return (message, text) => {
    const count = (counts.get(message) ?? 0) + 1
    counts.set(message, count)
    if (count <= 10 || (count & (count - 1)) === 0) log.warn(message, { ...fields, text: text(), count })
  }
}
