import { describe, expect, it } from 'vitest'
import { cutOffCalls } from '../../../src/cli/cut-off.ts'
import { trailLine } from '../../../src/cli/trail.ts'

const time = '2026-11-21T10:00:00.000Z'
const intent = (call: string) => ({ type: 'call.intent', time, call, server: 'notes', tool: 'write', resource: 'write' })

describe('a call that the end of a daemon cut off', () => {
  it('is told where the next daemon starts, once, as one whose effect is not known', () => {
    const look = cutOffCalls()
    expect(look(intent('call_1'))).toEqual([])
    const [found, ...others] = look({ type: 'daemon.started', time })
    expect(others).toEqual([])
    expect(found === undefined ? '' : trailLine(found, false, undefined)).toMatch(
      /nobody → notes → write → unknown: the daemon ended while it ran; whether it took effect is not known$/,
    )
    expect(look({ type: 'daemon.started', time })).toEqual([])
  })

  it('is none that has its closing record, and none that still runs', () => {
    const look = cutOffCalls()
    const records = [{ type: 'daemon.started', time }, intent('call_1'), { type: 'call.close', time, call: 'call_1' }, intent('call_2')]
    expect(records.flatMap((record) => look(record))).toEqual([])
  })
})
