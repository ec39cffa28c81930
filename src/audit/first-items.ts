import { cutTexts } from './cut.ts'
import { encode } from './record.ts'

/** Items of a list that a record names. */
const most = 100
/** Bytes of them together: a record that is too long would lose the whole list (cut.ts). */
const mostBytes = 96 * 1024

/**
 * What a record says of a list that may have any length: its items, or, where they are too many, those first that matter `more`, and
 * how many it leaves out.
 */
export function firstItems<T extends object>(
  items: readonly T[],
  more: (item: T) => boolean,
): { readonly named: readonly T[]; readonly leftOut: number } {
  const all = fitting(items)
  if (all.length === items.length) return { named: all, leftOut: 0 }
  const named = fitting([...items.filter(more), ...items.filter((item) => !more(item))])
  return { named, leftOut: items.length - named.length }
}

function fitting<T extends object>(items: readonly T[]): readonly T[] {
  let bytes = 0
  const end = items.slice(0, most + 1).findIndex((item, index) => {
    bytes += Buffer.byteLength(encode(cutTexts(item))) + 1
    return index === most || bytes > mostBytes
  })
  return end === -1 ? items : items.slice(0, end)
}
