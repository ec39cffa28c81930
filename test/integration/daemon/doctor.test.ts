import { expect, it } from 'vitest'
import { doctorView } from '../../../src/api/schema.ts'
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
