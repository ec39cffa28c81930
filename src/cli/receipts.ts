import type { z } from 'zod'
import { receipts, type receiptView } from '../api/schema.ts'
import { table } from './output/layout.ts'
import { scopeText } from './output/scope.ts'
import { colours, print } from './output/terminal.ts'
import { count } from './output/text.ts'
import { clockTime, span } from './output/time.ts'

export type ReceiptView = z.infer<typeof receiptView>

/** The receipts in the daemon's answer to a command that ends credentials, as a table; nothing where nothing was live. */
export function printReceipts(answer: unknown): void {
  const ended = receipts.parse(answer).receipts
  if (ended.length > 0) print(`\n${receiptTable(ended)}`)
}

/** One row for each lease: what the upstream really confirmed. */
export function receiptTable(ended: readonly ReceiptView[]): string {
  const rows = ended.map((receipt) => [receipt.lease, receipt.server, scopeText(receipt.scope), span(receipt.lived), truth(receipt)])
  return table(['lease', 'server', 'scope', 'lived', 'confirmed upstream'], rows)
}

/** `3 credentials cut here; 2 dead upstream, 1 may be accepted there until 14:03:22` */
export function receiptSummary(ended: readonly ReceiptView[]): string {
  if (ended.length === 0) return 'nothing was live'
  const dead = ended.filter(({ outcome }) => outcome === 'revoked').length
  const kept = ended.filter(({ outcome }) => outcome === 'kept').length
  const open = ended.flatMap(({ outcome, validUntil }) => (outcome === 'revoked' || outcome === 'kept' ? [] : [validUntil ?? 0]))
  const latest = Math.max(0, ...open)
  const rest =
    open.length === 0 ? '' : `, ${colours.yellow(`${open.length} may be accepted there${latest > 0 ? ` until ${clockTime(latest)}` : ''}`)}`
  const keys = kept === 0 ? '' : `, ${colours.yellow(`${kept} of a key that stays valid there until it is rotated`)}`
  return `${count(ended.length, 'credential')} cut here; ${dead === 0 ? 'none' : dead} dead upstream${rest}${keys}`
}

function truth({ outcome, verified, validUntil, detail }: ReceiptView): { text: string; paint: (text: string) => string } {
  const until = validUntil === undefined ? '' : ` until ${clockTime(validUntil)}`
  const why = detail === undefined || detail === '' ? '' : ` (${detail})`
  switch (outcome) {
    case 'revoked':
      return { text: verified ? 'revoked, verified: the token is refused' : `revoked; not verified${why}`, paint: colours.green }
    case 'accepted':
      return { text: `accepted; whether it is dead could not be confirmed${why}`, paint: colours.yellow }
    case 'pending':
      return { text: `no answer yet, tried again; may be valid${until}${why}`, paint: colours.yellow }
    case 'expires':
      return { text: `cannot be revoked there; valid${until}`, paint: colours.yellow }
    case 'kept':
      return { text: `cut here; nothing can be revoked there${why}`, paint: colours.yellow }
    case 'irrevocable':
      return { text: `never confirmed; may be valid${until}${why}`, paint: colours.red }
  }
}
