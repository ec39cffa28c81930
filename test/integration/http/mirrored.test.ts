import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, modern, openDoor, type Reply, statelessCall } from './support.ts'

/** Arguments that a tool's schema wants repeated in headers: what one token's client was listed, and what that means for another's. */
let door: Door

beforeAll(async () => {
  door = await openDoor()
})
afterAll(() => door.close())

let next = 0

interface Caller {
  list(): Promise<unknown>
  /** Has its own process list the tool so. */
  annotate(header: string): Promise<void>
  say(header?: string): Promise<Reply>
}

async function caller(server = 'one'): Promise<Caller> {
  const token = await door.token(`caller-${(next += 1)}`)
  const send = ({ body, headers }: { body: object; headers: Record<string, string> }): Promise<Reply> =>
    door.send(`/mcp/${server}`, { token, body, headers })
  return {
    async list() {
      const { body, headers } = statelessCall(1, 'unused')
      const { 'mcp-name': _, ...others } = headers
      const params = { _meta: Reflect.get(Reflect.get(body, 'params'), '_meta') }
      return (
        await send({ body: { jsonrpc: '2.0', id: 1, method: 'tools/list', params }, headers: { ...others, 'mcp-method': 'tools/list' } })
      ).body
    },
    async annotate(header) {
      const properties = header === '' ? {} : { text: { type: 'string', 'x-mcp-header': header } }
      const answers = {
        'tools/list': { result: { resultType: 'complete', tools: [{ name: 'say', inputSchema: { type: 'object', properties } }] } },
      }
      expect((await send(statelessCall(1, 'describe', { answers }))).status).toBe(200)
    },
    say(header) {
      const { body, headers } = statelessCall(1, 'say', { text: 'web' })
      return send({ body, headers: { ...headers, ...(header === undefined ? {} : { 'mcp-param-repo': header }) } })
    },
  }
}

const mismatch = { status: 400, body: { error: { code: -32020 } } }
const fine = { status: 200, body: { result: { content: [{ text: 'web' }] } } }

describe(`an argument that ${modern} wants in a header`, () => {
  it('is compared with it for a client that listed the tool, and for another token’s that did not', async () => {
    const [lister, other] = [await caller(), await caller()]
    expect(await other.say('nobody knows yet')).toMatchObject(fine)
    await lister.annotate('Repo')
    await lister.list()
    for (const one of [lister, other]) {
      expect(await one.say()).toMatchObject(mismatch)
      expect(await one.say('api')).toMatchObject(mismatch)
      expect(await one.say('web')).toMatchObject(fine)
    }
  })

  it('is what a client’s own list says, whatever another one was told, and before or after', async () => {
    const [lister, other] = [await caller('two'), await caller('two')]
    await lister.annotate('Repo')
    await lister.list()
    expect(await other.say()).toMatchObject(mismatch)
    // Its own process wants nothing in a header.
    await other.list()
    expect(await other.say()).toMatchObject(fine)
    await lister.list()
    expect(await other.say()).toMatchObject(fine)
    expect(await lister.say()).toMatchObject(mismatch)
  })

  it('is not wanted there any more once the tool was listed without', async () => {
    const one = await caller()
    await one.annotate('Repo')
    await one.list()
    expect(await one.say()).toMatchObject(mismatch)
    await one.annotate('')
    await one.list()
    expect(await one.say()).toMatchObject(fine)
  })
})
