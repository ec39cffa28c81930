import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { JitError } from '../../../../src/core/errors.ts'
import type { ClientLink } from '../../../../src/gateway/client/link.ts'
import { EventSession } from '../../../../src/gateway/http/event-session.ts'
import { httpLimits } from '../../../../src/gateway/http/limits.ts'
import { metaKeys, type Posted, readPost } from '../../../../src/gateway/http/post.ts'
import type { Session } from '../../../../src/gateway/http/session.ts'
import { HttpSessions } from '../../../../src/gateway/http/sessions.ts'
import type { Token } from '../../../../src/gateway/http/tokens.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryLog } from '../../broker/support.ts'

const token = (name: string): Token => ({ name, servers: new Set(), addedAt: 0, expiresAt: 0 })
const [ada, bob, eve] = [token('ada'), token('bob'), token('eve')]

function open(limits = { sessionsOfServer: 2, sessions: 3, sessionsInAll: 5 }) {
  const clock = new FakeClock()
  const ended: string[] = []
  const received: string[] = []
  const links: ClientLink[] = []
  const sessions = new HttpSessions({
    clock,
    log: new MemoryLog(),
    limits: { ...httpLimits, ...limits },
    open: (link) => {
      links.push(link)
      return Object.assign(Object.create(null), { receive: (bytes: Buffer) => void received.push(bytes.toString()) })
    },
    leave: (_, reason: JitError) => void ended.push(reason.message),
    enter: () => ({
      principal: { human: 'ada', agent: { name: 'agent', pid: 0, startTime: 0, evidence: 'token' }, session: 'session_1' },
      leave: () => undefined,
    }),
  })
  /** Each is younger than the one before. */
  const add = async (of: Token, server: string): Promise<Session> => {
    await clock.advance(10)
    return sessions.openSession(of, server)
  }
  return { clock, sessions, ended, received, links, add }
}

const response = (): ServerResponse => new ServerResponse(new IncomingMessage(new Socket()))
const accept = { json: true, events: true }
const meta = { [metaKeys.version]: '2026-07-28', [metaKeys.capabilities]: {} }

/** Of each kind: how it is opened, and how a message is posted to it. */
const kinds: Record<string, (door: ReturnType<typeof open>) => { hear(on: boolean): void; post(posted: Posted): void }> = {
  'Streamable HTTP': ({ sessions }) => {
    const session = sessions.openSession(ada, 'files')
    return { hear: (on) => session.hear(on), post: (post) => session.post({ post, response: response(), accept, revision: undefined }) }
  },
  'HTTP+SSE': ({ sessions, links }) => {
    sessions.openEvents(ada, 'files', response(), '/mcp/files/message')
    const session = links.find((link) => link instanceof EventSession)
    if (session === undefined) throw new Error('no session')
    return { hear: (on) => session.hear(on), post: (post) => session.post(post, response()) }
  },
  '2026-07-28': ({ sessions }) => {
    const shared = sessions.shared(ada, 'files', '2026-07-28')
    return {
      hear: (on) => shared.hear(on),
      post: (post) => {
        if (post.parsed?.ok !== true) throw new Error('no message')
        shared.post({ post, message: post.parsed.message, response: response(), accept, headers: {} })
      },
    }
  },
}

const keepBusy = (session: Session): Session => Object.defineProperty(session, 'busy', { value: true })

describe('sessions at the door for HTTP clients', () => {
  it('of one token with one server: the one that was idle longest makes room, and a live one does not', async () => {
    const { sessions, ended, add } = open()
    const live = keepBusy(await add(ada, 'files'))
    const idle = await add(ada, 'files')
    const next = await add(ada, 'files')
    expect([live, idle, next].map(({ id }) => sessions.find(id, ada, 'files') !== undefined)).toEqual([true, false, true])
    expect(ended).toEqual(['the session was idle and made room for another: 2 sessions of the token "ada" with server files are the limit'])
  })

  it('of one token over all servers: the same', async () => {
    const { sessions, ended, add } = open()
    const first = await add(ada, 'files')
    for (const server of ['github', 'gitlab', 'vault']) await add(ada, server)
    expect(sessions.find(first.id, ada, 'files')).toBeUndefined()
    expect(ended).toEqual(['the session was idle and made room for another: 3 sessions of the token "ada" are the limit'])
  })

  it('of all tokens: who has the most gives one up, and not who was idle longest', async () => {
    const { sessions, ended, add } = open()
    const oldest = await add(bob, 'files')
    const flood = [await add(ada, 'files'), await add(ada, 'github'), await add(ada, 'gitlab')]
    await add(eve, 'files')
    await add(eve, 'github')
    expect(sessions.find(oldest.id, bob, 'files')).toBe(oldest)
    expect(sessions.find(flood[0]?.id ?? '', ada, 'files')).toBeUndefined()
    expect(ended).toEqual(['the session was idle and made room for another: 5 sessions of all tokens together are the limit'])
  })

  it.each([
    ['with one server', ['files', 'files', 'files'], '2 sessions of the token "ada" with server files are in use, and 2 is the limit'],
    ['over all servers', ['a', 'b', 'c', 'd'], '3 sessions of the token "ada" are in use, and 3 is the limit'],
  ])('of one token %s, all in use: the next is refused, and told which limit it is', async (_, servers, message) => {
    const { add } = open()
    for (const server of servers.slice(0, -1)) keepBusy(await add(ada, server))
    await expect(add(ada, servers.at(-1) ?? '')).rejects.toMatchObject({ code: 'daemon.busy', message })
  })

  it.each(Object.entries(kinds))('of %s that end let nothing in that waits for the server, and hold no room for it', (_, begin) => {
    const door = open()
    const { sessions, received } = door
    const { hear, post } = begin(door)
    const limits = { messageBytes: 10_000, depth: 64, keys: 1000 }
    let held = 0
    const send = (message: object): void => {
      held += 1
      const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
      post({ ...readPost(bytes, limits), done: () => void (held -= 1) })
    }
    const params = { _meta: meta }
    send({ method: 'notifications/x', params })
    expect([received.length, held]).toEqual([1, 0])
    hear(false)
    send({ method: 'notifications/x', params })
    send({ method: 'notifications/y', params })
    expect([received.length, held]).toEqual([1, 2])
    sessions.endAll(new JitError('token.refused', 'the token is gone'), ada)
    expect(held).toBe(0)
    expect(received).toHaveLength(1)
  })

  it('that nobody uses end by themselves', async () => {
    const { clock, sessions, ended, add } = open()
    const live = keepBusy(await add(ada, 'files'))
    const idle = await add(ada, 'files')
    await clock.advance(httpLimits.idleSession + 60_000)
    expect(sessions.find(idle.id, ada, 'files')).toBeUndefined()
    expect(sessions.find(live.id, ada, 'files')).toBe(live)
    expect(ended).toEqual(['nobody used the session'])
  })
})
