import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeHome, startDaemon } from '../daemon/running-daemon.ts'
import { call, initialize, openDoor, session } from './support.ts'

describe('the HTTP door', () => {
  it('opens, moves and closes with the config', async () => {
    const daemon = await startDaemon(makeHome('version: 1\n'))
    const apply = async (config: string): Promise<string> => {
      writeFileSync(join(daemon.home, 'jit.yaml'), config)
      const { text, status } = await daemon.ask('POST', '/v1/config/apply', { body: {} })
      expect({ status, text }).toMatchObject({ status: 200 })
      return text
    }
    const address = async (): Promise<string> => /"http":"([^"]*)"/.exec((await daemon.ask('GET', '/v1/status')).text)?.[1] ?? ''
    expect(await address()).toBe('')
    expect(await apply('version: 1\nhttp: { port: 0 }\n')).toContain('"effect":"wider"')
    let opened = ''
    while (opened === '') opened = await address()
    expect((await fetch(`${opened}/mcp/x`)).status).toBe(401)
    expect(await apply('version: 1\n')).toContain('"effect":"narrower"')
    while ((await address()) !== '') await new Promise((settle) => setTimeout(settle, 10))
    await expect(fetch(`${opened}/mcp/x`)).rejects.toThrow('fetch failed')
  })

  it('that cannot be opened keeps no daemon from starting, and the status says so', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((settle) => taken.once('listening', settle))
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const daemon = await startDaemon(makeHome(`version: 1\nhttp: { port: ${port} }\n`))
    let text = ''
    while (!text.includes('cannot be opened')) text = (await daemon.ask('GET', '/v1/status')).text
    expect(text).toContain(`127.0.0.1:${port}`)
    taken.close()
  })

  it('ends its streams with a reason when the daemon stops, and answers what was asked', async () => {
    const door = await openDoor()
    const token = await door.token('a')
    const headers = { 'mcp-session-id': await session(door, token) }
    const stream = await door.open('/mcp/one', { method: 'GET', token, headers })
    const waiting = door.send('/mcp/one', { token, headers, body: call(1, 'raw', { answer: false }) })
    await door.send('/mcp/one', { token, headers, body: call(2, 'say') })
    await door.daemon.ask('POST', '/v1/stop')
    expect((await waiting).body).toMatchObject({ id: 1, error: { data: { code: 'daemon.restarted' } } })
    await stream.ended
    expect(await door.daemon.ended).toBe(0)
    await door.close()
  })

  it('keeps clients while everything is locked, and denies what they call', async () => {
    const door = await openDoor()
    const token = await door.token('a')
    const headers = { 'mcp-session-id': await session(door, token) }
    await door.daemon.ask('POST', '/v1/lock')
    expect((await door.send('/mcp/one', { token, headers, body: call(1, 'say') })).text).toContain('locked')
    await door.daemon.ask('POST', '/v1/unlock')
    expect((await door.send('/mcp/one', { token, headers, body: call(2, 'say', { text: 'again' }) })).text).toContain('again')
    await door.close()
  })

  it('ends the sessions of a server that is removed', async () => {
    const door = await openDoor()
    const token = await door.token('a')
    const headers = { 'mcp-session-id': await session(door, token) }
    const stream = await door.open('/mcp/one', { method: 'GET', token, headers })
    expect((await door.daemon.ask('DELETE', '/v1/servers/one')).status).toBe(200)
    await stream.ended
    expect((await door.send('/mcp/one', { token, body: initialize() })).status).toBe(404)
    await door.close()
  })
})
