import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { runJit } from '../support/command.ts'
import { must } from '../support/servers.ts'
import type { Stage } from '../support/stage.ts'
import type { Agents } from './agents.ts'

const read = { owner: 'acme', repo: 'web', issue_number: 42 }
const waitingShape = z.array(z.looseObject({ id: z.string() }))
/** Milliseconds, for a daemon that looks at its clock again. */
const moment = 300

/**
 * Calls that wait for a person while the wall clock jumps: none goes through by it, one whose time is over by the clock stays refused
 * when the clock is set back, and one that waits on is still the person's to answer. Answers what was not so.
 */
export async function jumpWhileWaiting(stage: Stage, agents: Agents, server: string, offset: string): Promise<string[]> {
  const problems: string[] = []
  for (const jump of ['+3600', '-3600']) {
    writeFileSync(offset, '+0')
    let answer = ''
    const call = agents.call(server, 'get_issue', read).then((got) => (answer = got))
    const id = await waitingCall(stage)
    if (id === undefined) return [...problems, 'no call waits for a person']
    writeFileSync(offset, jump)
    await pause(moment)
    if (answer === 'result') problems.push(`a jump of ${jump} s let a call through that waited for a person`)
    const approve = async (): Promise<boolean> => (await runJit(stage.home, ['approve', id])).code === 0
    if (jump === '+3600') {
      if (await approve()) problems.push('a call was approved when its time was over')
      writeFileSync(offset, '+0')
      if (await approve()) problems.push('a call was approved that had been over, when the clock was set back')
    } else {
      if ((await waitingCall(stage)) !== id) problems.push('a call does not wait any more, since the clock was set back')
      // GitHub takes no JWT of an hour ago: the clock is right again when the token is minted.
      writeFileSync(offset, '+0')
      await pause(moment)
      if (!(await approve())) problems.push('a call could not be approved in time, after the clock was set back')
    }
    await call
    const expected = jump === '+3600' ? 'error' : 'result'
    if (answer !== expected) problems.push(`a call that waited through ${jump} s: ${answer}`)
  }
  writeFileSync(offset, '+0')
  return problems
}

async function waitingCall(stage: Stage): Promise<string | undefined> {
  for (let round = 0; round < 50; round += 1) {
    const [first] = waitingShape.parse(JSON.parse(await must(stage, ['approvals', '--json'])))
    if (first !== undefined) return first.id
    await pause(100)
  }
  return undefined
}
