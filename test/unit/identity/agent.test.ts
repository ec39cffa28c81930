import { describe, expect, it } from 'vitest'
import { describeAgent } from '../../../src/identity/agent.ts'
import type { ProcessFacts, ReadProcess } from '../../../src/identity/process.ts'

const claim = { pid: 50, parent: { pid: 40, name: 'said so', startTime: 4 } }
const shim = { pid: 50 }

/** Processes by pid: parent, name, and whether it only starts others. The start time is the pid's tenth. */
function tree(...processes: [pid: number, parent: number, name: string, launcher?: boolean][]): ReadProcess {
  const table = new Map<number, ProcessFacts>(
    processes.map(([pid, parent, name, launcher = false]) => [pid, { pid, parent, name, launcher, startTime: pid / 10 }]),
  )
  return (pid) => table.get(pid)
}

describe('the agent', () => {
  it('is the shim’s parent', () => {
    const read = tree([50, 40, 'jit'], [40, 30, 'claude'], [30, 1, 'zsh'])
    expect(describeAgent(claim, shim, read)).toEqual({ name: 'claude', pid: 40, startTime: 4, evidence: 'peer' })
  })

  it('is whoever started npx, which started a shell, which started the shim', () => {
    const read = tree([50, 42, 'jit'], [42, 41, 'dash', true], [41, 40, 'npm', true], [40, 30, 'claude'], [30, 1, 'zsh'])
    expect(describeAgent(claim, shim, read)).toMatchObject({ name: 'claude', pid: 40 })
  })

  it('is the shell in which a person typed', () => {
    const read = tree([50, 41, 'jit'], [41, 40, 'npm', true], [40, 30, 'zsh'], [30, 1, 'tmux: server'])
    expect(describeAgent(claim, shim, read)).toMatchObject({ name: 'zsh', pid: 40 })
  })

  it('is the first process of a container', () => {
    expect(describeAgent(claim, shim, tree([50, 1, 'jit'], [1, 0, 'claude']))).toMatchObject({ name: 'claude', pid: 1 })
  })

  it.each(['systemd', 'init', 'tini', 'dumb-init'])('is never %s, which adopted an orphan', (name) => {
    expect(describeAgent(claim, shim, tree([50, 1, 'jit'], [1, 0, name]))).toMatchObject({ name: 'jit', pid: 50, evidence: 'peer' })
    expect(describeAgent(claim, shim, tree([50, 40, 'jit'], [40, 1, 'npm', true], [1, 0, name]))).toMatchObject({ name: 'npm', pid: 40 })
  })

  it('is the last launcher that can be seen, where the rest is hidden', () => {
    expect(describeAgent(claim, shim, tree([50, 40, 'jit'], [40, 30, 'npm', true]))).toMatchObject({
      name: 'npm',
      pid: 40,
      evidence: 'peer',
    })
  })

  it('is what the shim says, and marked so, without a peer', () => {
    expect(describeAgent(claim, undefined, tree([50, 40, 'jit'], [40, 1, 'claude']))).toEqual({
      name: 'said so',
      pid: 40,
      startTime: 4,
      evidence: 'claimed',
    })
    expect(describeAgent(claim, shim, () => undefined)).toMatchObject({ evidence: 'claimed' })
  })

  it('is found by a second look when a pid was reused during the first', () => {
    const read = tree([50, 40, 'jit'], [40, 1, 'claude'])
    let reads = 0
    const moving: ReadProcess = (pid) => {
      reads += 1
      const facts = read(pid)
      return facts === undefined || reads > 2 ? facts : { ...facts, name: 'the process before', startTime: 1 }
    }
    expect(describeAgent(claim, shim, moving)).toMatchObject({ name: 'claude', evidence: 'peer' })
  })

  it('is only claimed when the processes do not hold still', () => {
    let time = 0
    const moving: ReadProcess = (pid) => ({ pid, parent: pid - 1, name: 'reused', launcher: false, startTime: (time += 1) })
    expect(describeAgent(claim, shim, moving)).toMatchObject({ name: 'said so', evidence: 'claimed' })
  })

  it('is only claimed when the parent changes between the two looks', () => {
    const read = tree([50, 40, 'jit'], [40, 1, 'claude'], [39, 1, 'other'])
    let looks = 0
    const moving: ReadProcess = (pid) => {
      const facts = read(pid)
      if (pid !== 50 || facts === undefined) return facts
      looks += 1
      return { ...facts, parent: looks % 2 === 0 ? 39 : 40 }
    }
    expect(describeAgent(claim, shim, moving)).toMatchObject({ evidence: 'claimed' })
  })

  it('is found in bounded steps when launchers start launchers for ever', () => {
    const read: ReadProcess = (pid) => ({ pid, parent: pid + 1, name: 'sh', launcher: true, startTime: 1 })
    expect(describeAgent(claim, shim, read)).toMatchObject({ name: 'sh', evidence: 'peer' })
  })

  it('has a claimed name and numbers that cannot do harm', () => {
    const hostile = { pid: 1, parent: { pid: -3.5, name: `evil\u001b[31m${'x'.repeat(200)}`, startTime: Number.NaN } }
    const agent = describeAgent(hostile, undefined)
    expect(agent).toMatchObject({ pid: 0, startTime: 0, evidence: 'claimed' })
    expect(agent.name).toMatch(/^evil\?\[31mx+$/)
    expect(agent.name).toHaveLength(100)
  })
})
