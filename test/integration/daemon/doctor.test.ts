import { expect, it } from 'vitest'
import { doctorView } from '../../../src/api/schema.ts'
import { runJit } from '../../support/command.ts'
import { makeHome, startDaemon } from './running-daemon.ts'

it('jit doctor says each thing once, and what to do where there is something', async () => {
  const daemon = await startDaemon(makeHome())
  const { checks } = doctorView.parse((await daemon.ask('GET', '/v1/doctor')).body)
  const key = checks.find(({ name }) => name === 'store key')
  expect(key).toMatchObject({ state: 'warn', found: expect.stringContaining('`jit seal --passphrase` is stronger') })
  for (const { found, advice } of checks) {
    const commands = `${found} ${advice}`.match(/`[^`]+`/g) ?? []
    expect(commands).toEqual([...new Set(commands)])
    expect(`${found}. ${advice}`).not.toMatch(/\.\.|\b1 \w+s\b/)
  }
})

it('jit doctor names a server that cannot start, since a folder that it declares is not there, and jit config check its line', async () => {
  const config = `version: 1\nservers: { notes: { run: [node, server.js], writable: [/nowhere/notes], allow: [read] } }\n`
  const daemon = await startDaemon(makeHome(config))
  const { checks } = doctorView.parse((await daemon.ask('GET', '/v1/doctor')).body)
  // Where this machine has no sandbox, the server starts without.
  if (checks.find(({ name }) => name === 'sandbox')?.found.startsWith('bubblewrap') !== true) return
  expect(checks.find(({ name }) => name === 'server notes')).toEqual({
    name: 'server notes',
    state: 'fail',
    found: 'does not start: the sandbox of server "notes" cannot show "/nowhere/notes": it is not there',
    advice: 'Correct `writable` of the server, then `jit config apply`.',
  })
  const { code, stderr } = await runJit(daemon.home, ['config', 'check'])
  expect(stderr).toMatch(/jit\.yaml:2:\d+: servers\.notes\.writable\[0\]: the server does\s+not start: /)
  expect(code).toBe(0)
})
