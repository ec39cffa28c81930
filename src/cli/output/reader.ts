import { fstatSync } from 'node:fs'
import { constants } from 'node:os'

const stdout = 1
const askEvery = 250
/** `struct pollfd`: int fd, short events, short revents. No event asked for: an error or a hang-up is told unasked. */
const pollSize = 8
const reventsAt = 6

/** As a shell reports a program that SIGPIPE ended, which Node does not let happen. */
const unreadExit = 128 + constants.signals.SIGPIPE

/** Whoever read stdout through a pipe has seen enough: not a failure, and nothing to say. */
export function endUnread(): never {
  process.exit(unreadExit)
}

/**
 * From here on the command ends soon after stdout’s reader has gone. Without it that shows with the next line only, which may
 * never come: Node does not watch a pipe that it only writes to. Needs koffi, which is optional.
 */
export async function endWithReader(): Promise<void> {
  const kind = fstatSync(stdout)
  if (!kind.isFIFO() && !kind.isSocket()) return
  const isGone = await openPoll()
  if (isGone === undefined) return
  setInterval(() => {
    if (isGone()) endUnread()
  }, askEvery).unref()
}

async function openPoll(): Promise<(() => boolean) | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    const poll = koffi.load(null).func('int poll(_Inout_ uint8_t *, unsigned long, int)')
    return () => {
      const asked = Buffer.alloc(pollSize)
      asked.writeInt32LE(stdout, 0)
      return poll(asked, 1, 0) === 1 && asked.readInt16LE(reventsAt) !== 0
    }
  } catch {
    return undefined
  }
}
