import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, quote, toJitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import type { Approval, ApprovalAnswer, Approvals } from './types.ts'

export interface ApprovalDeps {
  /** Milliseconds that a call waits for a person; read anew for each. */
  timeout(): number
  readonly clock: Clock
  readonly audit: Pick<AuditSink, 'append'>
}

/** How many may wait: more than a person can look through are a flood, and are denied. */
const waitingCap = 100
/** Of one agent, so that a flood by one leaves room for the others. */
const sessionCap = 20

interface Waiting {
  readonly approval: Approval
  /** Monotonic milliseconds. */
  readonly endsAt: number
  settle(answer: ApprovalAnswer): void
}

/**
 * What waits for a person. An answer is bound to the exact call and counts once; silence is a no. A yes counts only when it
 * is in the trail; a no and a timeout count whatever the trail does.
 */
export function createApprovals(deps: ApprovalDeps): Approvals {
  const { clock, audit } = deps
  const queue = new Map<string, Waiting>()

  const record = ({ id, call }: Approval, answer: string, by: string): void => {
    audit.append({ type: 'approval.answered', call, approval: id, answer, by })
  }
  /** A no stands without its record: the call's own closing record says denied, or is refused as unwritable too. */
  const recordIfPossible = (approval: Approval, answer: string, by: string): void => {
    try {
      record(approval, answer, by)
    } catch {
      // The trail tells of its own trouble.
    }
  }
  const timeOut = ({ approval, settle }: Waiting): void => {
    recordIfPossible(approval, 'timeout', 'nobody')
    settle({ answer: 'timeout', by: 'nobody' })
  }
  const isOver = ({ approval, endsAt }: Waiting): boolean => clock.monotonic() >= endsAt || clock.now() >= approval.expiresAt

  return {
    async ask(request, signal) {
      if (signal.aborted) throw toJitError(signal.reason, 'cancelled')
      refuseFlood(queue, request.principal.session)
      const timeout = deps.timeout()
      const askedAt = clock.now()
      const approval: Approval = { ...request, id: newId('approval'), askedAt, expiresAt: askedAt + timeout }
      audit.append({ type: 'approval.asked', call: approval.call, approval: approval.id })
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          queue.delete(approval.id)
          cancelTimer()
          signal.removeEventListener('abort', withdraw)
        }
        const withdraw = (): void => {
          leave()
          recordIfPossible(approval, 'withdrawn', 'client')
          reject(toJitError(signal.reason, 'cancelled'))
        }
        const waiting: Waiting = {
          approval,
          endsAt: clock.monotonic() + timeout,
          settle(answer) {
            leave()
            resolve(answer)
          },
        }
        const cancelTimer = clock.after(timeout, () => timeOut(waiting))
        signal.addEventListener('abort', withdraw, { once: true })
        queue.set(approval.id, waiting)
      })
    },

    answer(id, answer, by, digest) {
      const waiting = queue.get(id)
      if (waiting !== undefined && isOver(waiting)) timeOut(waiting)
      if (waiting === undefined || !queue.has(id)) {
        throw new JitError('not-found', `no call waits under ${quote(id)}`, {
          hint: '`jit approvals` lists what waits; it may have been answered, withdrawn or timed out.',
        })
      }
      if (waiting.approval.operation.digest !== digest)
        throw new JitError('policy.changed', 'the answer is for another call than the one that waits')
      if (answer === 'approved') record(waiting.approval, answer, by)
      else recordIfPossible(waiting.approval, answer, by)
      waiting.settle({ answer, by })
    },

    waiting() {
      // Over is over: a wall clock that is set back later must not bring it back.
      for (const waiting of [...queue.values()].filter(isOver)) timeOut(waiting)
      return [...queue.values()].map(({ approval }) => approval)
    },
  }
}

function refuseFlood(queue: ReadonlyMap<string, Waiting>, session: string): void {
  const flood = (whose: string): JitError =>
    new JitError('approval.denied', `${whose} wait for approval already; this one was denied`, {
      hint: 'Nobody was asked: `jit approvals` lists what waits. Call again once some of it is answered.',
    })
  if (queue.size >= waitingCap) throw flood(`${waitingCap} calls`)
  let ofSession = 0
  for (const { approval } of queue.values()) if (approval.principal.session === session) ofSession += 1
  if (ofSession >= sessionCap) throw flood(`${sessionCap} calls of this agent`)
}
