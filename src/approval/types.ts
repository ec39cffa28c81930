import type { Operation, Permission, Principal } from '../core/types.ts'

export interface Approval {
  readonly id: string
  readonly call: string
  readonly principal: Principal
  readonly operation: Operation
  readonly permission: Permission
  /** Milliseconds since 1970. */
  readonly askedAt: number
  readonly expiresAt: number
}

export type ApprovalAnswer = { readonly answer: 'approved' | 'denied' | 'timeout'; readonly by: string }

export interface Approvals {
  /** Waits for a person; resolves `timeout` after the configured time, rejects when `signal` aborts. Bound to the operation's digest. */
  ask(request: Omit<Approval, 'id' | 'askedAt' | 'expiresAt'>, signal: AbortSignal): Promise<ApprovalAnswer>
  /** Throws JitError `not-found` for an id that does not wait. `digest` must be the operation's. */
  answer(id: string, answer: 'approved' | 'denied', by: string, digest: string): void
  waiting(): Approval[]
}
