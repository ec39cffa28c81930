import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeHome, startDaemon } from './running-daemon.ts'

it('a remote server on this machine is added with the line that was agreed to, and only with that', async () => {
  const home = makeHome('version: 1\n# ours\n')
  const daemon = await startDaemon(home)
  const file = (): string => readFileSync(join(home, 'jit.yaml'), 'utf8')
  const body = { name: 'notes', entry: { url: 'http://localhost:9/mcp', allow: ['say'] } }
  const dial = { name: 'localhost:9', address: '127.0.0.1:9' }

  expect((await daemon.ask('POST', '/v1/servers', { body })).body).toMatchObject({
    error: {
      code: 'usage',
      message: expect.stringContaining('"localhost:9" is on this machine'),
      hint: expect.stringContaining('Write `network: { hosts: { "localhost:9": "127.0.0.1:9" } }` into'),
      details: { dial },
    },
  })
  expect(file()).toBe('version: 1\n# ours\n')

  expect((await daemon.ask('POST', '/v1/servers', { body: { ...body, dial } })).status).toBe(200)
  expect(file()).toContain('localhost:9: 127.0.0.1:9')
  expect((await daemon.ask('GET', '/v1/audit')).text).toContain('"path":"network.hosts"')

  const next = { ...body, name: 'other', entry: { url: 'https://127.0.0.1:8/mcp' } }
  expect((await daemon.ask('POST', '/v1/servers', { body: next })).body).toMatchObject({
    error: { hint: expect.stringContaining('Add `"127.0.0.1:8": "127.0.0.1:8"` to `network.hosts`') },
  })
  // It is named already: nothing is asked again.
  expect((await daemon.ask('POST', '/v1/servers', { body: { ...body, name: 'again' } })).status).toBe(200)
})
