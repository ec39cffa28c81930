import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { buildIndex, removeStrayIndexes } from './index-build.ts'

/** A thread beside the daemon's own: it makes the indexes of closed segments, and posts what it could not do. */
const { folder, segments } = z.object({ folder: z.string(), segments: z.array(z.int().min(1)) }).parse(workerData)

try {
  // On Linux this is the thread's own: it takes what calls leave of the processors. Elsewhere it would be the whole daemon's.
  if (process.platform === 'linux') setPriority(0, 19)
} catch {
  // A machine that does not allow it is slower for a second.
}
const fail = (segment: number, reason: string): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origins
  parentPort?.postMessage({ segment, reason })
}
for (const segment of segments) {
  try {
    if (!(await buildIndex(folder, segment))) fail(segment, 'it was changed meanwhile, or is too large')
  } catch (error) {
    fail(segment, String(error))
  }
}
removeStrayIndexes(folder)
