import { describe, expect, it } from 'vitest'
import { JitError } from '../../../../src/core/errors.ts'
import { Refusals } from '../../../../src/gateway/client/refusals.ts'
import { MemoryAudit } from '../../../support/memory-audit.ts'
import { MemoryLog } from '../../broker/support.ts'

const options = { server: 's', connection: 'connection_1', session: 'session_1' }
const error = new JitError('message.malformed', 'the message is not JSON')

function open() {
  const [audit, log] = [new MemoryAudit(), new MemoryLog()]
  const refusals = new Refusals({ audit, log }, options)
  const flood = (from: 'client' | 'server', count: number): void => {
    for (let index = 0; index < count; index += 1) refusals.note(from, error)
  }
  return { audit, log, refusals, flood, details: () => audit.ofType('message.refused').map(({ detail }) => detail) }
}

describe('the refused messages of a connection', () => {
  it('are recorded one by one while they are few, and nothing follows at its end', () => {
    const { refusals, flood, details } = open()
    flood('client', 2)
    refusals.end()
    const record = { ...options, from: 'client', code: 'message.malformed', message: 'the message is not JSON' }
    expect(details()).toEqual([record, record])
  })

  it('are a hundred records of a flood, and their number at its end, once', () => {
    const { refusals, flood, details } = open()
    flood('client', 5000)
    expect(details()).toHaveLength(100)
    refusals.end()
    refusals.end()
    expect(details().slice(100)).toEqual([{ ...options, from: 'client', unrecorded: 4900, message: '4900 more messages were refused' }])
  })

  it('of its server are counted apart: a server that floods hides nothing of its client', () => {
    const { refusals, flood, details } = open()
    flood('server', 101)
    flood('client', 1)
    refusals.end()
    expect(details().slice(100)).toMatchObject([
      { from: 'client', code: 'message.malformed' },
      { from: 'server', unrecorded: 1 },
    ])
  })

  it('that could not be written are among the number at its end, and the log does not grow with them', () => {
    const { audit, log, refusals, flood, details } = open()
    audit.fail()
    flood('client', 300)
    expect(log.lines).toHaveLength(100)
    audit.heal()
    refusals.end()
    expect(details()).toMatchObject([{ unrecorded: 300 }])
  })
})
