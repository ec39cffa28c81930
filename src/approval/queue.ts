import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import type { Approval, ApprovalAnswer, Approvals } from './types.ts'

const waitingCap = 100
const waitingPerSession = 20

/** What waits for a person. An answer is bound to the exact call, counts once, and silence is a no. */
export function createApprovals(deps: { timeout: () => number; clock: Clock; audit: AuditSink }): Approvals {
  const waiting = new Map<string, { approval: Approval; settle: (answer: ApprovalAnswer) => void }>()
  return {
    ask(request, signal) {
      const ofSession = [...waiting.values()].filter(({ approval }) => approval.principal.session === request.principal.session).length
      if (waiting.size >= waitingCap || ofSession >= waitingPerSession)
        throw new JitError('approval.denied', 'too many calls wait for approval already')
      const askedAt = deps.clock.now()
      const approval: Approval = { ...request, id: newId('approval'), askedAt, expiresAt: askedAt + deps.timeout() }
      deps.audit.append({ type: 'approval.asked', call: approval.call, approval: approval.id })
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(approval.id)
          cancel()
          signal.removeEventListener('abort', abort)
        }
        const abort = (): void => {
          leave()
          reject(signal.reason)
        }
        const settle = (answer: ApprovalAnswer): void => {
          leave()
          try {
            deps.audit.append({
              type: 'approval.answered',
              call: approval.call,
              approval: approval.id,
              answer: answer.answer,
              by: answer.by,
            })
            resolve(answer)
          } catch (error) {
            reject(error)
          }
        }
        const cancel = deps.clock.after(approval.expiresAt - askedAt, () => settle({ answer: 'timeout', by: 'nobody' }))
        if (signal.aborted) return abort()
        signal.addEventListener('abort', abort, { once: true })
        waiting.set(approval.id, { approval, settle })
      })
    },
    answer(id, answer, by, digest) {
      const found = waiting.get(id)
      if (found === undefined)
        throw new JitError('not-found', `no call waits under ${JSON.stringify(id)}`, {
          hint: '`jit approvals` lists what waits; it may have timed out.',
        })
      if (found.approval.operation.digest !== digest)
        throw new JitError('policy.changed', 'the answer is for another call than the one that waits')
      found.settle({ answer, by })
    },
    waiting: () => [...waiting.values()].map(({ approval }) => approval),
  }
}
