import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openAgent } from '../../support/agent.ts'
import { root, runJit } from '../../support/command.ts'
import { makeHome, type RunningDaemon, startDaemon } from './running-daemon.ts'

describe('the stream of the trail', () => {
  it('is cut when the trail cannot be read, and the daemon goes on', async () => {
    const daemon = await startDaemon(makeHome())
    const segment = readdirSync(join(daemon.home, 'audit')).find((name) => /^\d+\.jsonl$/.test(name)) ?? ''
    rmSync(join(daemon.home, 'audit', segment))
    mkdirSync(join(daemon.home, 'audit', segment))
    await expect(daemon.ask('GET', '/v1/audit')).rejects.toThrow(/aborted|hang up|reset/)
    expect((await daemon.ask('GET', '/v1/status')).status).toBe(200)
    expect(daemon.alive()).toBe(true)
  })

  it('survives clients that go away in the middle of an answer, again and again', async () => {
    const daemon = await startDaemon(makeHome())
    for (let round = 0; round < 20; round += 1) {
      const response = await open(daemon, '/v1/audit?follow=true')
      response.once('error', () => undefined)
      response.destroy()
      await daemon.ask('POST', '/v1/lock')
      await daemon.ask('POST', '/v1/unlock')
    }
    expect((await daemon.ask('GET', '/v1/status')).status).toBe(200)
    expect(daemon.log()).not.toContain('"level":"error"')
  })

  it('brings each record as it is written, until the client leaves', async () => {
    const daemon = await startDaemon(makeHome())
    const response = await open(daemon, '/v1/audit?follow=true&type=daemon.locked')
    const first = new Promise<string>((settle) => response.once('data', (chunk: Buffer) => settle(chunk.toString())))
    await daemon.ask('POST', '/v1/lock')
    expect(JSON.parse(await first)).toMatchObject({ type: 'daemon.locked' })
    response.destroy()
  })

  it('shows a call on one line, whatever its name holds: none can hide behind what some readers take for a line’s end', async () => {
    const fixture = join(root, 'test/support/fixture-server.mjs')
    const daemon = await startDaemon(
      makeHome(`version: 1\nservers:\n  one:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [big]\n`),
    )
    expect((await runJit(daemon.home, ['config', 'apply', '--yes'])).code).toBe(0)
    const agent = await openAgent(daemon.home, 'one')
    await agent.callTool({ name: 'steal\u2028it\u009b2J', arguments: {} }).catch(() => undefined)
    await agent.close()
    const shown = (await runJit(daemon.home, ['audit'])).stdout
    expect(shown).toContain('steal\\u2028it\\u009b2J → denied')
    const json = (await runJit(daemon.home, ['audit', '--json'])).stdout
    const records: unknown[] = json
      .split(/[\n\u2028]/)
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    expect(records).toContainEqual(expect.objectContaining({ type: 'call.close', tool: 'steal\u2028it\u009b2J', result: 'denied' }))
    expect(json).not.toContain('\u009b')
  })

  it('has a call that its daemon did not live to end as one of unknown fate, whatever is asked for that it matches', async () => {
    const fixture = join(root, 'test/support/fixture-server.mjs')
    const config = `version: 1\nservers:\n  one:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [misbehave]\n`
    const killed = await startDaemon(makeHome(config))
    expect((await runJit(killed.home, ['config', 'apply', '--yes'])).code).toBe(0)
    const response = await open(killed, '/v1/audit?follow=true&type=call.intent&tool=misbehave')
    const intent = new Promise<string>((settle) => response.once('data', (chunk: Buffer) => settle(chunk.toString())))
    const agent = await openAgent(killed.home, 'one')
    agent.callTool({ name: 'misbehave', arguments: { way: 'wait' } }).catch(() => undefined)
    const { call } = z.object({ call: z.string() }).parse(JSON.parse(await intent))
    // It must not hear that its agent leaves, which would end the call.
    killed.signal('SIGSTOP')
    await agent.close()
    killed.signal('SIGKILL')
    await killed.ended
    await startDaemon(killed.home)
    for (const filter of [[], ['--server', 'one'], ['--tool', 'misbehave'], ['--call', call], ['--since', '1h'], ['--limit', '1']]) {
      const { stdout } = await runJit(killed.home, ['audit', ...filter])
      expect([filter, stdout.match(/one → misbehave → unknown: the daemon ended while it ran/g)]).toEqual([filter, [expect.any(String)]])
    }
    for (const filter of [['--server', 'two'], ['--tool', 'big'], ['--json']])
      expect((await runJit(killed.home, ['audit', ...filter])).stdout).not.toMatch(/unknown|cut-off/)
  })

  it('ends for its followers when the daemon stops', async () => {
    const daemon = await startDaemon(makeHome())
    const response = await open(daemon, '/v1/audit?follow=true')
    const over = new Promise<void>((settle) =>
      response
        .once('close', settle)
        .once('error', () => undefined)
        .resume(),
    )
    daemon.signal('SIGTERM')
    await over
    expect(await daemon.ended).toBe(0)
  })

  it('takes a hash with any letters for what it is: one that nobody knows', async () => {
    const daemon = await startDaemon(makeHome())
    for (const hash of ['%25', 'a%2Fb', '%F0%9F%98%80', '..', '%00']) {
      const { status, body } = await daemon.ask('GET', `/v1/audit/trace/${hash}`)
      expect([hash, status]).toEqual([hash, 404])
      expect(body).toMatchObject({
        error: {
          code: 'not-found',
          message: expect.stringMatching(/^no token with the hash ".*" is in the trail$/),
          hint: expect.stringContaining('`hashed_token` of GitHub’s audit log'),
        },
      })
    }
  })
})

function open(daemon: RunningDaemon, path: string): Promise<IncomingMessage> {
  return new Promise((settle, fail) => {
    get({ socketPath: daemon.apiSocket, path, agent: false, headers: { host: 'jit' } }, settle).once('error', fail)
  })
}
