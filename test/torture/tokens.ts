import { z } from 'zod'
import type { TokenView } from '../../providers/github-app/fake/state.ts'

/** `jit leases --json`. */
export const leasesShape = z.array(
  z.looseObject({
    id: z.string(),
    state: z.string(),
    startedAt: z.number(),
    validUntil: z.number(),
    scope: z.object({ repositories: z.array(z.string()), permissions: z.record(z.string(), z.string()) }),
  }),
)
export type ListedLease = z.infer<typeof leasesShape>[number]

/** The live tokens for which no listed lease is left, when each lease stands for one token. */
export function uncovered(tokens: readonly TokenView[], leases: readonly ListedLease[]): TokenView[] {
  const holder = new Map<ListedLease, TokenView>()
  const place = (token: TokenView, tried: Set<ListedLease>): boolean => {
    for (const lease of leases) {
      if (tried.has(lease) || !standsFor(lease, token)) continue
      tried.add(lease)
      const other = holder.get(lease)
      if (other !== undefined && !place(other, tried)) continue
      holder.set(lease, token)
      return true
    }
    return false
  }
  return tokens.filter((token) => !place(token, new Set()))
}

/** A lost mint may have left the token that it looked the repository up with, instead of its own. */
function standsFor({ state, scope, startedAt, validUntil }: ListedLease, token: TokenView): boolean {
  const { metadata: _, ...permissions } = token.permissions
  const sameTime = token.mintedAt >= startedAt && token.expiresAt <= validUntil + 60_000
  const sameRepository = JSON.stringify(scope.repositories) === JSON.stringify(token.repositories)
  const own = JSON.stringify(scope.permissions) === JSON.stringify(permissions)
  return sameTime && sameRepository && (own || (state === 'lost' && Object.keys(permissions).length === 0))
}
