import { createHash } from 'node:crypto'
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { hashFolder } from './hash-folder.ts'

/** Two changes within this time may leave a file with the same times: what is so young is not remembered. */
const tooYoung = 2000

/** Files that are looked at before others have their turn: about a millisecond. */
const atOnce = 100

const known = new LRUCache<string, { readonly looks: string; readonly hash: string }>({ max: 256 })

/**
 * `hashFolder`, which reads every file, unless nothing has changed since the last time: not a name, a size, an inode, a mode or
 * a time. Who may write a file can set its modification time, but not the time of its last change. `key` stands for `skip`.
 */
export async function hashUnchanged(folder: string, key: string, skip: (name: string) => boolean): Promise<string> {
  const { looks, newest } = await look(folder, skip)
  const id = `${key} ${folder}`
  const before = known.get(id)
  if (before?.looks === looks) return before.hash
  const hash = await hashFolder(folder, skip)
  if (Date.now() - newest > tooYoung) known.set(id, { looks, hash })
  return hash
}

/** All that a walk tells of a folder without reading a file. A look costs less than a turn of the thread pool. */
async function look(folder: string, skip: (name: string) => boolean): Promise<{ looks: string; newest: number }> {
  const whole = createHash('sha256')
  let newest = 0
  let looked = 0
  const left = [folder]
  for (let place = left.pop(); place !== undefined; place = left.pop()) {
    for (const entry of readdirSync(place, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(place, entry.name)
      if (entry.isDirectory() && skip(entry.name)) continue
      if (entry.isDirectory()) left.push(path)
      const { ino, size, mode, mtimeNs, ctimeNs, ctimeMs } = lstatSync(path, { bigint: true })
      newest = Math.max(newest, Number(ctimeMs))
      whole.update(`${JSON.stringify(path)} ${ino} ${size} ${mode} ${mtimeNs} ${ctimeNs}\n`)
      looked += 1
      if (looked % atOnce === 0) await setImmediate()
    }
  }
  return { looks: whole.digest('hex'), newest }
}
