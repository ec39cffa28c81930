import { describe, expect, it } from 'vitest'
import { withCutOff } from '../../../src/audit/cut-off.ts'
import type { AuditEvent, CallIntent, CloseFields } from '../../../src/audit/event.ts'
import type { AuditLog } from '../../../src/audit/log.ts'
import type { AuditFilter } from '../../../src/audit/query.ts'
import { openTestLog, temporaryFolder, TestClock } from './support.ts'

const started: AuditEvent = { type: 'daemon.started', detail: {} }
const close: CloseFields = { result: 'ok', requests: [], took: 1 }
const principal: CallIntent['principal'] = {
  human: 'ada(1000)',
  agent: { name: 'claude', pid: 1, startTime: 0, evidence: 'peer' },
  session: 'session_1',
}

function intent(call: string, more: Partial<CallIntent> = {}): CallIntent {
  return {
    type: 'call.intent',
    call,
    principal,
    connection: 'connection_1',
    server: 'notes',
    kind: 'tool',
    tool: 'write',
    resource: 'write',
    digest: '',
    policy: '',
    decision: { effect: 'allow', rule: { source: 'config', path: '' } },
    trace: { turn: 'turn_1' },
    ...more,
  }
}

/** A minute apart: call_1 ends and call_2 does not; a daemon; call_3 runs. */
function crashed(): { log: AuditLog; clock: TestClock } {
  const clock = new TestClock()
  const log = openTestLog(temporaryFolder(), { clock })
  const events: AuditEvent[] = [started, intent('call_1'), intent('call_2'), { ...intent('call_1'), type: 'call.close', ...close }]
  for (const event of [...events, started, intent('call_3')]) {
    log.append(event)
    clock.advance(60_000)
  }
  return { log, clock }
}

async function told(log: AuditLog, filter: AuditFilter): Promise<string[]> {
  const found: string[] = []
  for await (const each of withCutOff((asked) => log.query(asked), filter))
    found.push(`${each.type} ${'call' in each ? each.call : ''}`.trim())
  return found
}

describe('a call that the end of a daemon cut off', () => {
  it('is told before the next daemon starts, once, and neither one that has its closing record nor one that still runs is', async () => {
    const { log } = crashed()
    expect(await told(log, {})).toEqual([
      'daemon.started',
      'call.intent call_1',
      'call.intent call_2',
      'call.close call_1',
      'call.cut-off call_2',
      'daemon.started',
      'call.intent call_3',
    ])
  })

  const beginning = new TestClock().time
  it.each<AuditFilter>([
    { server: 'notes' },
    { tool: 'write' },
    { call: 'call_2' },
    { trace: 'turn_1' },
    { session: 'session_1' },
    { since: beginning + 120_000 },
    { until: beginning + 150_000 },
    { server: 'notes', scan: true },
  ])('is told where not all records are asked for: %o', async (filter) => {
    const { log } = crashed()
    expect((await told(log, filter)).filter((line) => line.startsWith('call.cut-off'))).toEqual(['call.cut-off call_2'])
  })

  it('is none that the filter leaves out, and none where records of a kind are asked for that it has not', async () => {
    const { log } = crashed()
    for (const filter of [{ server: 'others' }, { call: 'call_1' }, { result: 'ok' }, { type: 'call.close' }, { call: 'call_3' }])
      expect((await told(log, filter)).filter((line) => line.startsWith('call.cut-off'))).toEqual([])
  })

  it('is as the trail stood when it was asked for, so that who follows from there hears nothing twice', async () => {
    const { log } = crashed()
    const asked = withCutOff((each) => log.query(each), { server: 'notes' })
    log.append(intent('call_4'))
    const found: unknown[] = []
    for await (const each of asked) found.push(Reflect.get(each, 'call'))
    expect(found).not.toContain('call_4')
  })

  it('names its principal, tool and resource, and claims no place in the chain', async () => {
    const { log } = crashed()
    const found: object[] = []
    for await (const each of withCutOff((asked) => log.query(asked), { tool: 'write' })) if (each.type === 'call.cut-off') found.push(each)
    expect(found).toEqual([expect.objectContaining({ principal, server: 'notes', tool: 'write', resource: 'write', seq: 3 })])
    expect(found[0]).not.toHaveProperty('hash')
  })
})
