import { expect, it } from 'vitest'
import { guarded, openConnected } from './support.ts'

const arguments_ = (repo: string, more: object = {}) => JSON.parse(JSON.stringify({ repo, ...more }))

it('the level of the log holds for every lane, those that run and those that start later', async () => {
  const { client } = await openConnected(guarded({ inject: '{ mode: endpoint, env: API_TOKEN, url: { API_URL: "${endpoint}" } }' }))
  await client.call('say', arguments_('acme/one'))
  await client.call('say', arguments_('acme/two'))
  await client.request('logging/setLevel', { level: 'debug' }).answer
  for (const repo of ['acme/one', 'acme/two', 'acme/three'])
    expect(await client.call('journal', arguments_(repo))).toMatch(/logging.setLevel[^}]*debug/)
})

it('what a lane logs while it serves a call reaches the client, and so does the end of what it had a person open', async () => {
  const { client } = await openConnected(guarded())
  await client.call('say', arguments_('acme/one'))
  const said = ['notifications/message', 'notifications/elicitation/complete', 'notifications/tools/list_changed']
  const write = said.map((method) => `{"jsonrpc":"2.0","method":"${method}","params":{"elicitationId":"e"}}\n`).join('')
  await client.call('raw', arguments_('acme/two', { write }))
  expect(client.messages.map(({ method }) => method)).toEqual(said.slice(0, 2))
})
