import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAuthority } from '../support/certificates.ts'
import { root, runJit } from '../support/command.ts'
import { type NpmRegistry, startNpmRegistry } from '../support/npm-registry.ts'
import { openStage, type Stage } from '../support/stage.ts'

const serverText = readFileSync(join(root, 'test/support/fixture-server.mjs'), 'utf8')

/** What docs/guides/company-network.md says, against a registry whose certificate only the company's own authority signed. */
describe('a registry behind a private authority', () => {
  const account = mkdtempSync(join(tmpdir(), 'jit-account-'))
  const accountBefore = process.env['HOME']
  let registry: NpmRegistry
  let stage: Stage

  const npmrc = (...lines: readonly string[]): void =>
    writeFileSync(
      join(account, '.npmrc'),
      [`registry=${registry.url}`, `cache=${join(account, 'cache')}`, 'update-notifier=false', ...lines, ''].join('\n'),
    )
  const words = ['add', 'greeter', '--allow', 'environment', '--', 'npx', '-y', '@acme/greeter@1.0.0']
  const trusting = (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: join(account, 'company-ca.pem') })
  const add = (): ReturnType<typeof runJit> => runJit(stage.home, words)

  beforeAll(async () => {
    const authority = await createTestAuthority(['127.0.0.1'])
    writeFileSync(join(account, 'company-ca.pem'), authority.ca)
    registry = await startNpmRegistry({ tls: authority })
    registry.publish({
      name: '@acme/greeter',
      version: '1.0.0',
      files: { 'dist/index.js': `#!/usr/bin/env node\n${serverText}` },
      bin: 'dist/index.js',
    })
    process.env['HOME'] = account
    stage = await openStage()
  })
  afterAll(async () => {
    await stage.close()
    await registry.close()
    if (accountBefore !== undefined) process.env['HOME'] = accountBefore
    rmSync(account, { recursive: true, force: true })
  })

  it('is refused within seconds, with what to do', { timeout: 20_000 }, async () => {
    npmrc()
    const added = await add()
    expect(added.code).toBe(69)
    expect(added.stderr).toMatch(/^error: npm could not install "@acme\/greeter@1\.0\.0": SELF_SIGNED_CERT_IN_CHAIN "GET https:/)
    expect(added.stderr).toMatch(/hint: .*`npm config set cafile FILE`.*company-network\.md/)
    expect(registry.journal).toEqual([])
  })

  it('is not taken because whoever starts the daemon names an authority in a variable', async () => {
    await runJit(stage.home, ['stop'])
    const variables = { ...trusting(), npm_config_cafile: join(account, 'company-ca.pem') }
    expect((await runJit(stage.home, ['unlock'], '', variables)).code).toBe(0)
    expect((await add()).stderr).toContain('SELF_SIGNED_CERT_IN_CHAIN')
    expect(registry.journal).toEqual([])
  })

  it('is taken with the cafile of the person’s own npmrc', async () => {
    npmrc(`cafile=${join(account, 'company-ca.pem')}`)
    const added = await add()
    expect(added.stderr).toBe('')
    expect(added.code).toBe(0)
    expect(registry.journal).toContain('@acme/greeter/-/greeter-1.0.0.tgz')
  })

  it('is not passed over for what npm remembers of it', async () => {
    npmrc()
    const before = registry.journal.length
    const updated = await runJit(stage.home, ['update', 'greeter'])
    expect(updated).toMatchObject({ code: 69, stdout: '', stderr: expect.stringContaining('SELF_SIGNED_CERT_IN_CHAIN') })
    expect(registry.journal.length).toBe(before)
  })

  it('is taken for one request that comes from a terminal where npm takes it, and nothing of that is kept', async () => {
    const variables = { ...trusting(), NO_PROXY: 'canary.example' }
    const updated = await runJit(stage.home, ['update', 'greeter'], '', variables)
    expect(updated).toMatchObject({ code: 0, stderr: '' })
    expect((await runJit(stage.home, ['update', 'greeter'])).code).toBe(69)
    const kept = readdirSync(stage.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const { parentPath, name } of kept) expect(readFileSync(join(parentPath, name), 'latin1')).not.toContain('canary.example')
  })
})
