import { describe, expect, it } from 'vitest'
import { openParts, type Parts } from './parts.ts'

const config = `version: 1
providers:
  one: { kind: fake, account: a }
servers:
  notes:
    run: [node, x.js]
    provider: one
    inject: { mode: egress, env: TOKEN }
    allow: [read, convert]
    tools:
      read: { scope: { repository: "acme/web" }, requests: ["GET /x"] }
      convert: { credential: none }
`

async function opened(): Promise<Parts> {
  const parts = await openParts({ config })
  const body = { kind: 'fake', name: 'one', config: { account: 'a' }, secrets: { key: 'key of one' }, replace: true }
  expect((await parts.ask('POST', '/v1/providers', body)).status).toBe(200)
  return parts
}

const explain = async (parts: Parts, tool: string): Promise<unknown> =>
  (await parts.ask('POST', '/v1/explain', { server: 'notes', tool, args: {} })).body

describe('what a call would get', () => {
  it('is what policy says while nothing stands in its way', async () => {
    expect(await explain(await opened(), 'read')).toMatchObject({ effect: 'allow', held: '' })
  })

  it('says that jit is locked, whatever policy says', async () => {
    const parts = await opened()
    await parts.ask('POST', '/v1/lock', {})
    expect(await explain(parts, 'read')).toMatchObject({ effect: 'allow', held: 'locked' })
    expect(await explain(parts, 'nothing')).toMatchObject({ effect: 'deny', held: 'locked' })
  })

  it('says that the store is sealed, of calls that need a credential', async () => {
    const parts = await opened()
    await parts.ask('POST', '/v1/seal', {})
    expect(await explain(parts, 'read')).toMatchObject({ held: 'sealed' })
    expect(await explain(parts, 'convert')).toMatchObject({ effect: 'allow', held: '' })
    expect(await explain(parts, 'nothing')).toMatchObject({ effect: 'deny', held: '' })
  })

  it('is what policy says of jit’s own server too, which no command changes', async () => {
    const parts = await opened()
    const own = { server: 'jit', tool: 'what_may_i_do', args: {} }
    expect((await parts.ask('POST', '/v1/explain', own)).body).toMatchObject({ effect: 'allow', rule: { path: 'servers.jit.allow[0]' } })
    expect((await parts.ask('DELETE', '/v1/servers/jit')).body).toMatchObject({
      error: { code: 'usage', message: '"jit" is jit’s own server, and none of the config file', hint: expect.stringContaining('`self`') },
    })
    const without = await openParts({ config: 'version: 1\nself: off\n' })
    expect((await without.ask('POST', '/v1/explain', own)).body).toMatchObject({
      error: { code: 'not-found', message: expect.stringContaining('`self: off`'), hint: expect.stringContaining('`self: read`') },
    })
  })
})
