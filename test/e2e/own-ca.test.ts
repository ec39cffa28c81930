import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAuthority } from '../support/certificates.ts'
import { runJit } from '../support/command.ts'

/** `ca.pem` is what people call it, and beside jit.yaml is where they put it. */
describe('an authority of one’s own beside jit.yaml', () => {
  let home: string
  let text: string

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'jit-ca-'))
    text = (await createTestAuthority(['api.example.com'])).ca
    writeFileSync(join(home, 'ca.pem'), text)
    writeFileSync(join(home, 'jit.yaml'), 'version: 1\nnetwork: { ca: [ca.pem] }\n', { mode: 0o600 })
  })
  afterAll(async () => {
    await runJit(home, ['stop'])
    rmSync(home, { recursive: true, force: true })
  })

  it('is left alone when the daemon starts and ends', async () => {
    expect(await runJit(home, ['config', 'apply', '--yes'])).toMatchObject({ code: 0 })
    expect(await runJit(home, ['stop'])).toMatchObject({ code: 0 })
    expect(readFileSync(join(home, 'ca.pem'), 'utf8')).toBe(text)
  })

  it('that cannot be read is named once, with the reason', async () => {
    writeFileSync(join(home, 'jit.yaml'), 'version: 1\nnetwork: { ca: [gone.pem] }\n', { mode: 0o600 })
    const { code, stderr } = await runJit(home, ['config', 'check'])
    expect(code).not.toBe(0)
    expect(stderr).toContain(`network.ca: "${join(home, 'gone.pem')}" cannot be read: there is no such file`)
    expect(existsSync(join(home, 'ca.pem'))).toBe(true)
  })
})
