import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeOdd } from '../../support/odd-file.ts'
import { makeHome, startDaemon } from './running-daemon.ts'

// Nobody holds the other end of these pipes: whoever opens one carelessly waits for ever.
it('starts and records beside pipes in the place of its trail, and says so', async () => {
  const home = makeHome()
  mkdirSync(join(home, 'audit'), { mode: 0o700 })
  for (const name of ['000001.jsonl', 'checkpoints.jsonl', 'key.json']) await makeOdd(join(home, 'audit', name), 'a pipe', false)
  await makeOdd(join(home, 'jit.log'), 'a pipe', false)
  const daemon = await startDaemon(home)
  expect((await daemon.ask('POST', '/v1/lock')).status).toBe(200)
  expect((await daemon.ask('GET', '/v1/audit')).text).toContain('"daemon.locked"')
  expect((await daemon.ask('GET', '/v1/audit/verify')).body).toMatchObject({ ok: false })
  expect((await daemon.ask('GET', '/v1/status')).text).toContain('000001.jsonl: not a regular file')
})

it('takes a pipe for a config that cannot be read, and starts', async () => {
  const home = makeHome()
  rmSync(join(home, 'jit.yaml'))
  await makeOdd(join(home, 'jit.yaml'), 'a pipe', false)
  const daemon = await startDaemon(home)
  expect((await daemon.ask('GET', '/v1/status')).text).toContain('is not a regular file')
  rmSync(join(home, 'jit.yaml'))
  writeFileSync(join(home, 'jit.yaml'), 'version: 1\nnetwork: { ca: [pipe.pem] }\n')
  await makeOdd(join(home, 'pipe.pem'), 'a pipe', false)
  expect((await daemon.ask('POST', '/v1/config/apply', { body: {} })).text).toContain('pipe.pem')
})

it.each(['jit.db', 'jit.db-journal', 'jit.db-wal'])('ends with the reason when %s is a pipe', async (name) => {
  const home = makeHome()
  if (name !== 'jit.db') {
    const first = await startDaemon(home)
    first.signal('SIGTERM')
    await first.ended
  }
  await makeOdd(join(home, name), 'a pipe', false)
  const daemon = await startDaemon(home)
  expect(await daemon.ended).not.toBe(0)
  expect(daemon.stderr()).toContain(`${name} is not a regular file`)
})

it('ends with the reason, or goes on sealed, when the key file is a pipe', async () => {
  const home = makeHome()
  const first = await startDaemon(home)
  first.signal('SIGTERM')
  await first.ended
  rmSync(join(home, 'key'))
  await makeOdd(join(home, 'key'), 'a pipe', false)
  const daemon = await startDaemon(home)
  expect(`${daemon.stderr()}${daemon.log()}`).toContain('key is not a regular file')
})
