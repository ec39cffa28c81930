import type { Logger } from '../../core/types.ts'

/** Characters of what a server wrote that the log gets. */
const textLength = 500

/**
 * Logs the first ten of each message, then whenever their number has doubled: a server must push nothing else out of the log, and
 * hide nothing behind a flood of another kind. The messages are jit's own words, so that they are few; the text may be the server's,
 * as long as it likes, and is cut behind `scrub`, which does not know a part of a credential for one.
 */
export function sparseLog(
  log: Logger,
  fields: Readonly<Record<string, unknown>>,
  scrub: (text: string) => string,
): (message: string, text: () => string) => void {
  const counts = new Map<string, number>()
  return (message, text) => {
    const count = (counts.get(message) ?? 0) + 1
    counts.set(message, count)
    if (count <= 10 || (count & (count - 1)) === 0) log.warn(message, { ...fields, text: scrub(text()).slice(0, textLength), count })
  }
}
