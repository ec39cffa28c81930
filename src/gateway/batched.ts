import type { Writable } from 'node:stream'

/**
 * Writes that are made in one turn of the event loop leave in one system call. Answers whether the stream still takes more, as
 * `write` does.
 */
export function batchedWriter(stream: Writable): (data: Buffer | string) => boolean {
  let held = false
  const release = (): void => {
    held = false
    stream.uncork()
  }
  return (data) => {
    if (!held) {
      held = true
      stream.cork()
      process.nextTick(release)
    }
    return stream.write(data)
  }
}
