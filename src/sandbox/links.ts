import { lstatSync, readlinkSync } from 'node:fs'
import { dirname, resolve, sep } from 'node:path'

export interface Resolved {
  /** Without a link in it. */
  readonly real: string
  /** Links on the way there: where each stands (without a link before it) and its text. */
  readonly links: readonly { readonly at: string; readonly text: string }[]
}

/** As the kernel does (path_resolution(7)). */
const mostLinks = 40

/** Follows a path link by link; undefined where it leads nowhere. */
export function follow(path: string): Resolved | undefined {
  const links: { at: string; text: string }[] = []
  let real = '/'
  const left = resolve(path).split(sep).filter(Boolean)
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    const at = resolve(real, name)
    const text = linkAt(at)
    if (text === false) return undefined
    if (text === undefined) {
      real = at
      continue
    }
    links.push({ at, text })
    if (links.length > mostLinks) return undefined
    left.unshift(...resolve(dirname(at), text).split(sep).filter(Boolean))
    real = '/'
  }
  return { real, links }
}

/** Whether `path` is `folder` or stands below it; both without links. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`)
}

/** Text of a link; undefined for anything else that is there; false for nothing. */
function linkAt(path: string): string | undefined | false {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined
  } catch {
    return false
  }
}
