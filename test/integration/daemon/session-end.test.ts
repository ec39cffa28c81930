import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAgent } from '../../support/agent.ts'
import { configureServers, githubServer, login, must } from '../../support/servers.ts'
import { openStage, type Stage } from '../../support/stage.ts'
import { recordsOf } from './running-daemon.ts'

const issue = { name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } }

describe('an agent that goes away', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(stage, githubServer('github') + githubServer('second'))
  })
  afterAll(async () => {
    await stage.close()
  })

  it('takes its leases with it: not with one of its connections, but with the last one, and the trail has the receipt', async () => {
    const one = await openAgent(stage.home, 'github')
    const two = await openAgent(stage.home, 'second')
    expect((await one.callTool(issue)).isError).not.toBe(true)
    const [lease = { id: '' }] = leases(await must(stage, ['leases', '--json']))
    expect(lease).toMatchObject({ state: 'live' })
    const records = recordsOf(stage.home, '/v1/audit?follow=true&type=lease.ended')

    await one.close()
    expect((await two.callTool(issue)).isError).not.toBe(true)
    expect(leases(await must(stage, ['leases', '--json']))).toMatchObject([{ id: lease.id, state: 'live' }])
    await two.close()
    expect(await records.first((record) => record['result'] === 'session ended')).toMatchObject({
      lease: { id: lease.id },
      detail: { outcome: 'revoked', verified: true },
    })
    records.close()
    expect(stage.github.tokens().filter((token) => token.alive)).toEqual([])
    expect(leases(await must(stage, ['leases', '--json']))).toEqual([])
  })
})

function leases(text: string): { id: string; state: string }[] {
  const found: { id: string; state: string }[] = JSON.parse(text)
  return found
}
