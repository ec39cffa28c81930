import { describe, expect, it } from 'vitest'
import { server, type ServerConfig } from '../../../../src/config/schema.ts'
import type { JsonObject } from '../../../../src/core/json.ts'
import { Subscriptions } from '../../../../src/gateway/client/subscriptions.ts'
import { Ending } from '../../../../src/gateway/ending.ts'

const acknowledged = 'notifications/subscriptions/acknowledged'
const all = { toolsListChanged: true, resourcesListChanged: true, promptsListChanged: true }
const about = (id: unknown) => ({ 'io.modelcontextprotocol/subscriptionId': id })

function acknowledging(id: string, filter: JsonObject | undefined): string {
  const params = { _meta: about(id), ...(filter === undefined ? {} : { notifications: filter }) }
  return JSON.stringify({ jsonrpc: '2.0', method: acknowledged, params })
}

const config = (fields: object): ServerConfig => server.parse({ run: ['x'], ...fields })

function opened(filter: JsonObject, fields: ServerConfig | undefined): Subscriptions {
  const subscriptions = new Subscriptions(() => fields)
  subscriptions.begin('own', '"own"', { notifications: filter }, new Ending())
  return subscriptions
}

function told(subscriptions: Subscriptions, answered: JsonObject | undefined): unknown {
  const line = subscriptions.passing('"own"', acknowledged, acknowledging('own', answered))
  return line === undefined ? undefined : JSON.parse(line).params.notifications
}

const newsIn = (subscriptions: Subscriptions): unknown[] => subscriptions.news.map(({ line }) => JSON.parse(line).method)

describe('a subscription', () => {
  it.each<[what: string, wanted: JsonObject, allowed: object, answered: JsonObject | undefined, promised: JsonObject | undefined]>([
    ['what its server promises', { toolsListChanged: true }, { allow: ['a'] }, { toolsListChanged: true }, { toolsListChanged: true }],
    ['what policy changes, where its server promises nothing', { toolsListChanged: true }, { ask: ['a'] }, {}, { toolsListChanged: true }],
    ['that too where its server said it oddly', { toolsListChanged: true }, { allow: ['a'] }, undefined, { toolsListChanged: true }],
    ['no list that its client did not ask for', { toolsListChanged: false }, { allow: ['a'] }, {}, {}],
    [
      'no list of which the config allows nothing',
      all,
      { allow: ['a'], prompts: ['p'] },
      {},
      { toolsListChanged: true, promptsListChanged: true },
    ],
    [
      'beside all that its server promises',
      all,
      { resources: ['x'] },
      { resourceSubscriptions: ['x'] },
      { resourceSubscriptions: ['x'], resourcesListChanged: true },
    ],
    ['nothing of what is no filter', { toolsListChanged: 'yes' }, { allow: ['a'] }, {}, {}],
  ])('promises %s', (_, wanted, allowed, answered, promised) => {
    expect(told(opened(wanted, config(allowed)), answered)).toEqual(promised)
  })

  it('is told of what it was promised, under its id, and of nothing before', () => {
    const subscriptions = opened(all, config({ allow: ['a'] }))
    expect(subscriptions.news).toEqual([])
    told(subscriptions, { promptsListChanged: true })
    expect(subscriptions.news.map(({ line, about: id }) => [id, JSON.parse(line)])).toEqual(
      ['tools', 'prompts'].map((kind) => [
        '"own"',
        { jsonrpc: '2.0', method: `notifications/${kind}/list_changed`, params: { _meta: about('own') } },
      ]),
    )
  })

  it('is told nothing of a list that its server promises and nobody asked for', () => {
    const subscriptions = opened({}, config({ allow: ['a'] }))
    told(subscriptions, all)
    expect(subscriptions.news).toEqual([])
  })

  it('is acknowledged once, whatever becomes of its server', () => {
    const subscriptions = opened({ toolsListChanged: true }, config({ allow: ['a'] }))
    told(subscriptions, {})
    expect(told(subscriptions, all)).toBeUndefined()
    expect(newsIn(subscriptions)).toEqual(['notifications/tools/list_changed'])
  })

  it('lets everything else pass as it came, and what is said of others', () => {
    const subscriptions = opened(all, undefined)
    expect(subscriptions.passing('"own"', 'notifications/tools/list_changed', 'line')).toBe('line')
    expect(subscriptions.passing('"other"', acknowledged, 'line')).toBe('line')
    expect(told(subscriptions, {})).toEqual({})
  })

  it('that ended leaves the one alone that has its id by now', () => {
    const subscriptions = new Subscriptions(() => config({ allow: ['a'] }))
    const first = subscriptions.begin(1, '1', {}, new Ending())
    const second = subscriptions.begin(1, '1', { notifications: all }, new Ending())
    first.end()
    expect(subscriptions.get('1')?.wanted).toHaveLength(3)
    second.end()
    expect(subscriptions.get('1')).toBeUndefined()
  })
})
