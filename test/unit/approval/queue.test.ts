import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createApprovals } from '../../../src/approval/queue.ts'
import type { Approval, Approvals } from '../../../src/approval/types.ts'
import { JitError } from '../../../src/core/errors.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { MemoryAudit } from '../../support/memory-audit.ts'

const timeout = 180_000
const patient = new AbortController().signal

function desk(): { approvals: Approvals; clock: FakeClock; audit: MemoryAudit } {
  const clock = new FakeClock()
  const audit = new MemoryAudit()
  return { approvals: createApprovals({ timeout: () => timeout, clock, audit }), clock, audit }
}

function request(session = 'session_1', digest = 'digest-1'): Omit<Approval, 'id' | 'askedAt' | 'expiresAt'> {
  return {
    call: 'call_1',
    principal: { human: 'ada(1000)', agent: { name: 'agent', pid: 7, startTime: 1, evidence: 'peer' }, session },
    operation: { server: 'github', kind: 'tool', name: 'create_issue', args: { owner: 'acme' }, definition: '', digest },
    permission: {
      effect: 'ask',
      rule: { source: 'config', path: 'servers.github.ask[0]' },
      grant: { credential: 'none' },
      used: {},
      resource: 'acme/web',
    },
  }
}

const idOf = (approvals: Approvals): string => approvals.waiting()[0]?.id ?? 'nothing waits'

describe('a call that waits for a person', () => {
  it.each(['approved', 'denied'] as const)('is %s once, by name, and both ends are in the trail', async (answer) => {
    const { approvals, clock, audit } = desk()
    const asked = approvals.ask(request(), patient)
    const [waiting] = approvals.waiting()
    expect(waiting).toMatchObject({ call: 'call_1', askedAt: clock.now(), expiresAt: clock.now() + timeout })
    const id = idOf(approvals)
    approvals.answer(id, answer, 'ada', 'digest-1')
    expect(await asked).toEqual({ answer, by: 'ada' })
    expect(approvals.waiting()).toEqual([])
    expect(() => approvals.answer(id, 'approved', 'ada', 'digest-1')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(audit.events).toEqual([
      { type: 'approval.asked', call: 'call_1', approval: id },
      { type: 'approval.answered', call: 'call_1', approval: id, answer, by: 'ada' },
    ])
    expect(clock.pending).toBe(0)
  })

  it('is denied by silence', async () => {
    const { approvals, clock, audit } = desk()
    const asked = approvals.ask(request(), patient)
    const id = idOf(approvals)
    await clock.advance(timeout - 1)
    expect(approvals.waiting()).toHaveLength(1)
    await clock.advance(1)
    expect(await asked).toEqual({ answer: 'timeout', by: 'nobody' })
    expect(() => approvals.answer(id, 'approved', 'ada', 'digest-1')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(audit.ofType('approval.answered')).toMatchObject([{ answer: 'timeout', by: 'nobody' }])
  })

  it('is not approved by an answer for another call, and waits on', async () => {
    const { approvals } = desk()
    const asked = approvals.ask(request(), patient)
    const id = idOf(approvals)
    for (const digest of ['digest-2', '', 'digest-1 '])
      expect(() => approvals.answer(id, 'approved', 'ada', digest)).toThrow(expect.objectContaining({ code: 'policy.changed' }))
    approvals.answer(id, 'approved', 'ada', 'digest-1')
    expect(await asked).toMatchObject({ answer: 'approved' })
  })

  it('is not approved after its time, though the machine slept through the timer', async () => {
    const { approvals, clock } = desk()
    const asked = approvals.ask(request(), patient)
    const id = idOf(approvals)
    clock.jumpWall(timeout)
    expect(approvals.waiting()).toEqual([])
    expect(() => approvals.answer(id, 'approved', 'ada', 'digest-1')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(await asked).toMatchObject({ answer: 'timeout' })
  })

  it('that was over once stays so when the wall clock is set back', async () => {
    const { approvals, clock } = desk()
    const asked = approvals.ask(request(), patient)
    const id = idOf(approvals)
    clock.jumpWall(3_600_000)
    expect(approvals.waiting()).toEqual([])
    clock.jumpWall(-3_600_000)
    expect(approvals.waiting()).toEqual([])
    expect(() => approvals.answer(id, 'approved', 'ada', 'digest-1')).toThrow(expect.objectContaining({ code: 'not-found' }))
    expect(await asked).toMatchObject({ answer: 'timeout' })
  })

  it('is approved only by a person in time, however the wall clock jumps', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('jump' as const), by: fc.constantFrom(3_600_000, -3_600_000, timeout, -timeout, 1) }),
      fc.record({ kind: fc.constant('pass' as const), by: fc.nat(timeout) }),
      fc.record({ kind: fc.constantFrom('look' as const, 'approve' as const), by: fc.constant(0) }),
    )
    let approved = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { approvals, clock } = desk()
        let answer = ''
        const asked = approvals.ask(request(), patient).then((got) => (answer = got.answer))
        const [waiting] = approvals.waiting()
        const [end, wallEnd] = [clock.monotonic() + timeout, clock.now() + timeout]
        let over = false
        let said = false
        for (const { kind, by } of steps) {
          if (kind === 'jump') clock.jumpWall(by)
          if (kind === 'pass') await clock.advance(by)
          over ||= clock.monotonic() >= end || (kind !== 'jump' && kind !== 'pass' && clock.now() >= wallEnd)
          if (kind === 'look') expect(approvals.waiting().length).toBe(over || said ? 0 : 1)
          if (kind !== 'approve') continue
          const answering = (): void => approvals.answer(waiting?.id ?? '', 'approved', 'ada', 'digest-1')
          if (over || said) expect(answering).toThrow(expect.objectContaining({ code: 'not-found' }))
          else answering()
          said ||= !over
        }
        if (!said && !over) await clock.advance(timeout)
        await asked
        expect(answer).toBe(said ? 'approved' : 'timeout')
        approved += said ? 1 : 0
      }),
    )
    expect(approved).toBeGreaterThan(0)
  })

  it('does not wait longer because the wall clock was set back', async () => {
    const { approvals, clock } = desk()
    const asked = approvals.ask(request(), patient)
    clock.jumpWall(-timeout)
    await clock.advance(timeout)
    expect(await asked).toMatchObject({ answer: 'timeout' })
  })

  it('is withdrawn when the client gives up', async () => {
    const { approvals, audit, clock } = desk()
    const leaving = new AbortController()
    const asked = approvals.ask(request(), leaving.signal)
    const id = idOf(approvals)
    leaving.abort(new JitError('cancelled', 'the client cancelled the call'))
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' })
    expect(approvals.waiting()).toEqual([])
    expect(() => approvals.answer(id, 'approved', 'ada', 'digest-1')).toThrow('no call waits')
    expect(audit.ofType('approval.answered')).toMatchObject([{ answer: 'withdrawn', by: 'client' }])
    expect(clock.pending).toBe(0)
  })

  it('is not even asked for a client that is gone', async () => {
    const { approvals, audit } = desk()
    await expect(approvals.ask(request(), AbortSignal.abort())).rejects.toBeInstanceOf(JitError)
    expect(audit.events).toEqual([])
  })
})

describe('an unwritable trail', () => {
  it('lets nobody be asked', async () => {
    const { approvals, audit } = desk()
    audit.fail()
    await expect(approvals.ask(request(), patient)).rejects.toMatchObject({ code: 'audit.unwritable' })
    expect(approvals.waiting()).toEqual([])
  })

  it('takes no yes, and the call waits on until it is writable', async () => {
    const { approvals, audit } = desk()
    const asked = approvals.ask(request(), patient)
    audit.fail()
    expect(() => approvals.answer(idOf(approvals), 'approved', 'ada', 'digest-1')).toThrow(
      expect.objectContaining({ code: 'audit.unwritable' }),
    )
    expect(approvals.waiting()).toHaveLength(1)
    audit.heal()
    approvals.answer(idOf(approvals), 'approved', 'ada', 'digest-1')
    expect(await asked).toMatchObject({ answer: 'approved' })
  })

  it('stops no no', async () => {
    const { approvals, audit, clock } = desk()
    const denied = approvals.ask(request(), patient)
    const silent = approvals.ask(request(), patient)
    audit.fail()
    approvals.answer(idOf(approvals), 'denied', 'ada', 'digest-1')
    expect(await denied).toEqual({ answer: 'denied', by: 'ada' })
    await clock.advance(timeout)
    expect(await silent).toMatchObject({ answer: 'timeout' })
  })
})

describe('a flood', () => {
  it('of one agent is denied beyond twenty and leaves room for others', async () => {
    const { approvals } = desk()
    for (let count = 0; count < 20; count += 1) void approvals.ask(request('hostile'), patient)
    await expect(approvals.ask(request('hostile'), patient)).rejects.toMatchObject({
      code: 'approval.denied',
      hint: expect.stringContaining('Nobody was asked'),
    })
    void approvals.ask(request('other'), patient)
    expect(approvals.waiting()).toHaveLength(21)
    approvals.answer(idOf(approvals), 'denied', 'ada', 'digest-1')
    void approvals.ask(request('hostile'), patient)
    expect(approvals.waiting()).toHaveLength(21)
  })

  it('of many is denied beyond a hundred', async () => {
    const { approvals } = desk()
    for (let count = 0; count < 100; count += 1) void approvals.ask(request(`session ${count}`), patient)
    await expect(approvals.ask(request('one more'), patient)).rejects.toMatchObject({ code: 'approval.denied' })
    expect(approvals.waiting()).toHaveLength(100)
  })
})

describe('any order of asks, answers, aborts and time', () => {
  it('gives each call one answer, and a yes only to who was told yes under the right digest', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('ask' as const), digest: fc.nat({ max: 2 }) }),
      fc.record({ do: fc.constant('answer' as const), which: fc.nat({ max: 5 }), digest: fc.nat({ max: 2 }), yes: fc.boolean() }),
      fc.record({ do: fc.constant('abort' as const), which: fc.nat({ max: 5 }) }),
      fc.record({ do: fc.constant('wait' as const), milliseconds: fc.constantFrom(1, 60_000, timeout) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { approvals, clock, audit } = desk()
        const yes = new Set<string>()
        const outcomes: { digest: string; call: string; answers: string[]; abort: AbortController }[] = []
        for (const each of steps) {
          if (each.do === 'ask') {
            const outcome = {
              digest: `digest ${each.digest}`,
              call: `call ${outcomes.length}`,
              answers: [] as string[],
              abort: new AbortController(),
            }
            outcomes.push(outcome)
            approvals.ask({ ...request('session', outcome.digest), call: outcome.call }, outcome.abort.signal).then(
              ({ answer }) => outcome.answers.push(answer),
              () => outcome.answers.push('rejected'),
            )
          } else if (each.do === 'answer') {
            const waiting = approvals.waiting()[each.which]
            if (waiting === undefined) continue
            try {
              approvals.answer(waiting.id, each.yes ? 'approved' : 'denied', 'ada', `digest ${each.digest}`)
              if (each.yes && waiting.operation.digest === `digest ${each.digest}`) yes.add(waiting.call)
            } catch (error) {
              expect(error).toMatchObject({ code: 'policy.changed' })
            }
          } else if (each.do === 'abort') outcomes[each.which]?.abort.abort()
          else await clock.advance(each.milliseconds)
        }
        await clock.advance(timeout)
        await settle()
        for (const { call, answers } of outcomes) {
          expect(answers).toHaveLength(1)
          expect(answers[0] === 'approved').toBe(yes.has(call))
        }
        expect(audit.ofType('approval.answered').filter(({ answer }) => answer === 'approved')).toHaveLength(yes.size)
        expect(approvals.waiting()).toEqual([])
        expect(clock.pending).toBe(0)
      }),
    )
  })
})
