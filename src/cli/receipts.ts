import colours from 'picocolors'
import type { z } from 'zod'
import type { receiptView } from '../api/schema.ts'
import { plain, scopeText, span } from './output.ts'

export type ReceiptView = z.infer<typeof receiptView>

/** One line for each lease: what the upstream really confirmed. */
export function receiptLines(receipts: readonly ReceiptView[]): string {
  if (receipts.length === 0) return 'nothing was live'
  return receipts
    .map((receipt) => `${receipt.lease}  ${plain(scopeText(receipt.scope))}\n  ${outcome(receipt)}, after ${span(receipt.lived)}`)
    .join('\n')
}

function outcome(receipt: ReceiptView): string {
  const until = receipt.validUntil === undefined ? '' : ` until ${new Date(receipt.validUntil).toLocaleTimeString()}`
  switch (receipt.outcome) {
    case 'revoked':
      return colours.green(receipt.verified ? 'revoked upstream, and verified: the token is refused' : 'revoked upstream; not verified')
    case 'accepted':
      return colours.yellow('the upstream accepted the revocation; whether the token is dead could not be confirmed')
    case 'pending':
      return colours.yellow(`cut here; the upstream did not answer yet and may accept it${until}; it is tried again`)
    case 'expires':
      return colours.yellow(`cut here; the upstream cannot revoke it and accepts it${until}`)
    case 'irrevocable':
      return colours.red(`cut here; the upstream did not confirm and may accept it${until}`)
  }
}
