import { createHash } from 'node:crypto'

/** What the stand-in knows: the data that a test seeds, and the tokens it minted. */
export interface FakeApp {
  readonly appId: number
  readonly slug: string
  readonly publicKeyPem: string
}

export interface FakeInstallation {
  readonly id: number
  readonly appId: number
  readonly account: string
  readonly permissions: Record<string, string>
  readonly repositories: readonly FakeRepository[]
  suspended?: boolean
}

export interface FakeRepository {
  readonly id: number
  /** owner/name */
  readonly fullName: string
  readonly issues: FakeIssue[]
  /** What branch main holds at the start: path → content. */
  readonly files: Readonly<Record<string, string>>
}

export interface FakeIssue {
  readonly number: number
  readonly title: string
  readonly body: string
  readonly state?: 'open' | 'closed'
  readonly labels?: readonly string[]
  readonly comments?: readonly string[]
}

export interface MintedToken {
  readonly token: string
  /** base64 of the SHA-256, as GitHub's audit log has it. */
  readonly hash: string
  readonly installation: number
  readonly permissions: Record<string, string>
  readonly repositories: readonly string[]
  readonly mintedAt: number
  readonly expiresAt: number
  endedAt?: number
}

export type TokenView = Omit<MintedToken, 'token'> & { readonly alive: boolean }

export interface JournalEntry {
  readonly id: string
  readonly time: number
  readonly method: string
  readonly path: string
  status: number
  readonly tokenHash?: string
}

export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}
