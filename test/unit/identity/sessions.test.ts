import { userInfo } from 'node:os'
import { describe, expect, it } from 'vitest'
import { humanName } from '../../../src/identity/human.ts'
import type { Peer } from '../../../src/identity/peer.ts'
import type { ProcessFacts, ReadProcess } from '../../../src/identity/process.ts'
import { createSessions } from '../../../src/identity/sessions.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const uid = process.getuid?.() ?? 0
const peer = (pid: number): Peer => ({ pid, uid, gid: uid })
const claim = { pid: 50, parent: { pid: 40, name: 'agent', startTime: 4 } }

/** Two shims of one agent, and one of another; `starts` says when each process started. */
function processes(starts: Record<number, number> = {}): ReadProcess {
  const table: Record<number, Omit<ProcessFacts, 'pid' | 'startTime' | 'launcher'>> = {
    50: { parent: 40, name: 'jit' },
    51: { parent: 40, name: 'jit' },
    60: { parent: 41, name: 'jit' },
    40: { parent: 1, name: 'claude' },
    41: { parent: 1, name: 'codex' },
  }
  return (pid) => {
    const facts = table[pid]
    return facts === undefined ? undefined : { ...facts, pid, launcher: false, startTime: starts[pid] ?? pid }
  }
}

describe('a session', () => {
  it('is an agent process, however many connections it has', () => {
    const sessions = createSessions({ read: processes() })
    const first = sessions.enter(peer(50), claim)
    const second = sessions.enter(peer(51), claim)
    const other = sessions.enter(peer(60), claim)
    expect(second.principal).toEqual(first.principal)
    expect(other.principal.session).not.toBe(first.principal.session)
    expect(first.principal).toEqual({
      human: humanName(),
      agent: { name: 'claude', pid: 40, startTime: 40, evidence: 'peer' },
      session: expect.stringMatching(/^session_/),
    })
    expect(sessions.list()).toEqual([
      { session: first.principal.session, agent: first.principal.agent, human: humanName(), connections: 2 },
      { session: other.principal.session, agent: other.principal.agent, human: humanName(), connections: 1 },
    ])
  })

  it('is forgotten a little after its last connection', async () => {
    const clock = new FakeClock()
    const ended: string[] = []
    const sessions = createSessions({ read: processes(), clock, grace: 5000, onEnd: (session) => ended.push(session) })
    const first = sessions.enter(peer(50), claim)
    const second = sessions.enter(peer(51), claim)
    first.leave()
    expect(sessions.list()).toMatchObject([{ connections: 1 }])
    second.leave()
    expect(sessions.list()).toEqual([])
    await clock.advance(5000)
    expect(ended).toEqual([first.principal.session])
    expect(sessions.enter(peer(50), claim).principal.session).not.toBe(first.principal.session)
  })

  it('goes on when its agent comes back in time', async () => {
    const clock = new FakeClock()
    const ended: string[] = []
    const sessions = createSessions({ read: processes(), clock, grace: 5000, onEnd: (session) => ended.push(session) })
    const first = sessions.enter(peer(50), claim)
    first.leave()
    await clock.advance(4999)
    const second = sessions.enter(peer(51), claim)
    expect(second.principal.session).toBe(first.principal.session)
    await clock.advance(60_000)
    expect(ended).toEqual([])
    second.leave()
    second.leave()
    await clock.advance(60_000)
    expect(ended).toEqual([first.principal.session])
    expect(clock.pending).toBe(0)
  })

  it('is left once by each connection, however often it says so', () => {
    const sessions = createSessions({ read: processes() })
    const first = sessions.enter(peer(50), claim)
    sessions.enter(peer(51), claim)
    first.leave()
    first.leave()
    expect(sessions.list()).toMatchObject([{ connections: 1 }])
  })

  it('does not pass to another process under the same pid', () => {
    const starts: Record<number, number> = {}
    const sessions = createSessions({ read: processes(starts) })
    const before = sessions.enter(peer(50), claim)
    starts[40] = 4000
    const after = sessions.enter(peer(51), claim)
    expect(after.principal.session).not.toBe(before.principal.session)
  })

  it('that is claimed never joins one that the kernel vouched for', () => {
    const sessions = createSessions({ read: processes() })
    const known = sessions.enter(peer(50), claim)
    const claimed = sessions.enter(undefined, { pid: 50, parent: { pid: 40, name: 'claude', startTime: 40 } })
    expect(claimed.principal.agent.evidence).toBe('claimed')
    expect(claimed.principal.session).not.toBe(known.principal.session)
  })

  it('of a process that is not seen from here is its own, and nobody else’s', () => {
    const sessions = createSessions({ read: processes() })
    const known = sessions.enter(peer(50), claim)
    const first = sessions.enter(peer(0), claim)
    const second = sessions.enter(peer(0), claim)
    expect(first.principal.agent).toEqual({ name: 'unknown', pid: 0, startTime: 0, evidence: 'none' })
    expect(new Set([known, first, second].map(({ principal }) => principal.session)).size).toBe(3)
    first.leave()
    expect(sessions.list().map(({ session }) => session)).toEqual([known.principal.session, second.principal.session])
  })
})

it.runIf(process.getuid !== undefined)('the human is the account, by name and number', () => {
  expect(humanName()).toBe(`${userInfo().username}(${uid})`)
})
