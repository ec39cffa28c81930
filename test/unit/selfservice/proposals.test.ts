import { describe, expect, it } from 'vitest'
import { type ProposedChange, proposedChange } from '../../../src/selfservice/change.ts'
import { createProposals, isFrom } from '../../../src/selfservice/proposals.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryAudit } from '../../support/memory-audit.ts'
import { MemoryLog } from '../broker/support.ts'

const ada = { session: 'session_a', agent: 'agent', human: 'ada(1000)' }
const bob = { ...ada, session: 'session_b' }
const wish = (tool: string): ProposedChange => ({ server: 'github', reason: 'a task', tool, effect: 'allow' })

function open(values = new Map<string, string>(), clock = new FakeClock()) {
  const audit = new MemoryAudit()
  const log = new MemoryLog()
  const meta = { get: (key: string) => values.get(key), set: (key: string, value: string) => void values.set(key, value) }
  return { proposals: createProposals({ meta, audit, clock, log }), audit, values, log, clock }
}

describe('proposals', () => {
  it('are kept over a restart, in the trail, and the newest comes first', () => {
    const { proposals, audit, values } = open()
    proposals.add(ada, wish('read'))
    proposals.add(ada, wish('write'))
    expect(
      open(values)
        .proposals.all()
        .map(({ change }) => change.tool),
    ).toEqual(['write', 'read'])
    expect(audit.ofType('proposal.made').map(({ detail }) => detail)).toMatchObject([
      { session: 'session_a', change: { tool: 'read', reason: 'a task' } },
      { change: { tool: 'write' } },
    ])
  })

  it('wait for a person, and for nothing else, however the clock jumps', () => {
    const clock = new FakeClock()
    const { proposals, audit } = open(new Map(), clock)
    const { id } = proposals.add(ada, wish('read'))
    for (const jump of [3_600_000, -7_200_000, 3_600_000]) {
      clock.jumpWall(jump)
      expect(proposals.get(id).state).toBe('waiting')
      expect(proposals.add(ada, wish('read')).id).toBe(id)
    }
    const { write, done } = proposals.decide(id, 'rejected', 'ada')
    write()
    done()
    clock.jumpWall(-3_600_000)
    expect(() => proposals.decide(id, 'accepted', 'ada')).toThrow(expect.objectContaining({ code: 'conflict' }))
    expect(audit.ofType('proposal.made')).toHaveLength(1)
  })

  it('that a session makes twice are one', () => {
    const { proposals, audit } = open()
    const first = proposals.add(ada, wish('read'))
    expect(proposals.add(ada, wish('read'))).toBe(first)
    expect(audit.events).toHaveLength(1)
  })

  it('that another session makes too, in other words, are one that both are told of', () => {
    const { proposals, audit, values } = open()
    const first = proposals.add(ada, wish('read'))
    expect(proposals.add(bob, { ...wish('read'), reason: 'another task' }).id).toBe(first.id)
    expect(proposals.add(bob, wish('write')).id).not.toBe(first.id)
    expect(audit.events.map(({ type }) => type)).toEqual(['proposal.made', 'proposal.joined', 'proposal.made'])
    expect(audit.ofType('proposal.joined')).toMatchObject([
      { detail: { id: first.id, session: 'session_b', first: 'session_a', server: 'github', agent: 'agent', reason: 'another task' } },
    ])
    proposals.add(bob, wish('read'))
    expect(audit.events).toHaveLength(3)
    const [, kept] = open(values).proposals.all()
    expect(kept).toMatchObject({ id: first.id, session: 'session_a', others: ['session_b'], change: { reason: 'a task' } })
    expect(kept === undefined ? [] : ['session_a', 'session_b', 'session_c'].map((session) => isFrom(kept, session))).toEqual([
      true,
      true,
      false,
    ])
  })

  it('that nobody decided on for two weeks are void, and make room', async () => {
    const { proposals, clock } = open()
    const { id } = proposals.add(ada, wish('tool_0'))
    for (let count = 1; count < 5; count += 1) proposals.add(ada, wish(`tool_${count}`))
    await clock.advance(14 * 86_400_000)
    expect(proposals.get(id).state).toBe('waiting')
    await clock.advance(1)
    expect(proposals.get(id).state).toBe('expired')
    expect(() => proposals.decide(id, 'accepted', 'a person')).toThrow('more than 14 days')
    expect(proposals.add(ada, wish('tool_0')).id).not.toBe(id)
  })

  it('that end stand in the trail once, whether somebody looks or not', async () => {
    const { proposals, audit, values, clock } = open()
    const { id } = proposals.add(ada, wish('read'))
    const other = proposals.add(ada, wish('write'))
    proposals.decide(other.id, 'rejected', 'a person').done()
    await clock.advance(14 * 86_400_000)
    proposals.sweep()
    expect(audit.ofType('proposal.expired')).toEqual([])
    await clock.advance(1)
    for (let times = 0; times < 2; times += 1) proposals.sweep()
    expect(audit.ofType('proposal.expired')).toMatchObject([{ detail: { id, session: 'session_a', server: 'github' } }])
    const later = open(values, clock)
    expect(later.proposals.get(id).state).toBe('expired')
    expect(later.audit.events).toEqual([])
  })

  it('that end while the trail cannot be written have ended, and stand in it later', async () => {
    const { proposals, audit, clock } = open()
    const { id } = proposals.add(ada, wish('read'))
    await clock.advance(14 * 86_400_000 + 1)
    audit.fail()
    expect(proposals.get(id).state).toBe('expired')
    expect(() => proposals.decide(id, 'accepted', 'a person')).toThrow('more than 14 days')
    audit.heal()
    proposals.sweep()
    expect(audit.ofType('proposal.expired')).toMatchObject([{ detail: { id } }])
  })

  it('of one session are five at the most, and of all fifty, until a person has looked', () => {
    const { proposals } = open()
    for (let count = 0; count < 5; count += 1) proposals.add(ada, wish(`tool_${count}`))
    expect(() => proposals.add(ada, wish('more'))).toThrow('5 proposals of this session wait')
    for (let count = 5; count < 50; count += 1) proposals.add({ ...bob, session: `session_${count}` }, wish(`tool_${count}`))
    expect(() => proposals.add(bob, wish('more'))).toThrow('50 proposals wait')
    const first = proposals.all().find(({ session }) => session === 'session_a')
    const decision = proposals.decide(first?.id ?? '', 'rejected', 'a person')
    decision.write()
    decision.done()
    expect(proposals.add(ada, wish('more')).state).toBe('waiting')
  })

  it('that were decided go when there are many', () => {
    const { proposals } = open()
    for (let count = 0; count < 150; count += 1) {
      const { id } = proposals.add(ada, wish(`tool_${count}`))
      proposals.decide(id, 'rejected', 'a person').done()
    }
    expect(proposals.all()).toHaveLength(100)
  })

  it('are decided once, and only with the record of it', () => {
    const { proposals } = open()
    const { id } = proposals.add(ada, wish('read'))
    const decision = proposals.decide(id, 'accepted', 'a person')
    expect(proposals.get(id).state).toBe('waiting')
    expect(decision.record).toMatchObject({ type: 'proposal.accepted', by: 'a person', detail: { id } })
    decision.done()
    expect(() => proposals.decide(id, 'rejected', 'a person')).toThrow('was accepted before')
    expect(() => proposals.get('proposal_nobody')).toThrow('there is no proposal "proposal_nobody"')
  })

  it('are not stored when the trail cannot be written', () => {
    const { proposals, audit, values } = open()
    audit.fail()
    expect(() => proposals.add(ada, wish('read'))).toThrow('unwritable')
    expect(proposals.all()).toEqual([])
    expect(values.size).toBe(0)
  })

  it('that cannot be read any more do not keep the daemon from starting', () => {
    const { proposals, log } = open(new Map([['proposals', '[{"id":1}]']]))
    expect(proposals.all()).toEqual([])
    expect(JSON.stringify(log.lines)).toContain('not readable')
  })
})

describe('what an agent may propose', () => {
  const base = { server: 'github', reason: 'a task' }
  it.each([
    ['a letter of another script in a value', { argument: 'repo', admit: ['w\u0435b'] }],
    ['a gap in a value', { argument: 'repo', admit: [`web${' '.repeat(150)}x`] }],
    ['a space at the end of a value', { argument: 'repo', admit: ['web '] }],
    ['a mark without a shape', { argument: 'repo', admit: ['web\u034f'] }],
    ['an arrow in a value', { argument: 'repo', admit: ['web \u2192 gone'] }],
    ['a gap in a condition', { tool: 'read', when: `args.a == 1${' '.repeat(300)}|| true` }],
    ['a text that looks like another in a condition', { tool: 'read', when: 'args.a == "w\u0435b"' }],
    ['a heap of marks in its words', { tool: 'read', effect: 'allow', reason: `a${'\u0336'.repeat(50)}` }],
    ['a blank that is none in its words', { tool: 'read', effect: 'allow', reason: 'a\ufe00b' }],
  ])('is not %s', (_, wish) => {
    expect(proposedChange.safeParse({ ...base, ...wish }).success).toBe(false)
  })

  it('are words in any language, which fill a line and draw none', () => {
    const { reason } = proposedChange.parse({
      ...base,
      tool: 'read',
      effect: 'allow',
      reason: `Für ein Ticket.${' '.repeat(300)}\u2800 state: safe`,
    })
    expect(reason).toBe('Für ein Ticket. state: safe')
  })
})
