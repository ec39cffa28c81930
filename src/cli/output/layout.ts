import { colours, terminalWidth } from './terminal.ts'
import { cut, displayWidth, pad, plain, wrap } from './text.ts'

/** A stranger's text, which is escaped; with `paint`, in a colour. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string }

const gap = 2
/** Narrower than this, the last column is not wrapped: the others are cut first. */
const narrowest = 20
const same = (text: string): string => text

/**
 * Columns as wide as their content. On a terminal the last one is wrapped under itself, and the widest of the others but the
 * first, which holds what a person copies, are cut until all fit.
 */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[], width = terminalWidth()): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'string' ? { text: plain(cell), paint: same } : { ...cell, text: plain(cell.text) })),
  )
  const widths = head.map((title, column) => Math.max(displayWidth(title), ...cells.map((row) => displayWidth(row[column]?.text ?? ''))))
  if (width !== undefined) shrink(widths, width)
  const line = (row: readonly { text: string; paint: (text: string) => string }[]): string => {
    const last = row.length - 1
    const lead = row.slice(0, last).map(({ text, paint }, column) => paint(pad(cut(text, widths[column] ?? 0), widths[column] ?? 0)))
    const { text = '', paint = same } = row[last] ?? {}
    const [first = '', ...more] = width === undefined ? [text] : wrap(text, widths[last] ?? 0)
    const indent = ' '.repeat(widths.slice(0, last).reduce((sum, each) => sum + each + gap, 0))
    return [[...lead, paint(first)].join(' '.repeat(gap)), ...more.map((rest) => indent + paint(rest))].join('\n')
  }
  return [line(head.map((text) => ({ text, paint: colours.dim }))), ...cells.map(line)].map((text) => text.replace(/ +$/gm, '')).join('\n')
}

/** `label  value` lines; empty values are left out, long ones wrapped under themselves. Values are escaped by the caller. */
export function card(rows: readonly (readonly [label: string, value: string])[], width = terminalWidth()): string {
  const shown = rows.filter(([, value]) => value !== '')
  const labels = Math.max(0, ...shown.map(([label]) => label.length))
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(narrowest, width - labels - gap)
  return shown
    .map(([label, value]) => `${colours.dim(label.padEnd(labels))}  ${wrap(value, room).join(`\n${' '.repeat(labels + gap)}`)}`)
    .join('\n')
}

function shrink(widths: number[], width: number): void {
  const last = widths.length - 1
  const others = (): number => widths.slice(0, last).reduce((sum, each) => sum + each + gap, 0)
  const room = Math.min(widths[last] ?? 0, narrowest)
  while (others() + room > width) {
    const middle = widths.slice(1, last)
    const widest = Math.max(0, ...middle)
    if (widest <= 6) break
    widths[1 + middle.indexOf(widest)] = widest - 1
  }
  widths[last] = Math.max(room, Math.min(widths[last] ?? 0, width - others()))
}
