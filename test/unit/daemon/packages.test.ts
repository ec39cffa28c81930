import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type NpmRegistry, startNpmRegistry } from '../../support/npm-registry.ts'
import { openParts, type Parts } from './parts.ts'

let registry: NpmRegistry
const cache = mkdtempSync(join(tmpdir(), 'jit-npm-cache-'))

beforeAll(async () => {
  registry = await startNpmRegistry()
})
afterAll(async () => {
  await registry.close()
  rmSync(cache, { recursive: true, force: true })
})
beforeEach(() => {
  vi.stubEnv('npm_config_registry', registry.url)
  vi.stubEnv('npm_config_cache', cache)
  return () => vi.unstubAllEnvs()
})

const body = { name: 'tool', entry: { run: ['npx', '-y', 'tool', '--flag'], allow: ['x'] } }
const folders = (parts: Parts): string[] => {
  const { packages } = parts.daemon.paths
  return existsSync(packages) ? readdirSync(packages).sort() : []
}
const version = (entry: string | undefined): string => readFileSync(entry ?? '', 'utf8')

describe('a server given as npx', () => {
  it('is installed beside its older version, which stays while a lane runs from it', { timeout: 60_000 }, async () => {
    registry.publish({ name: 'tool', version: '1.0.0', files: { 'main.js': 'one' }, bin: 'main.js' })
    const parts = await openParts({ config: 'version: 1\n' })
    expect(await parts.ask('POST', '/v1/servers', body)).toMatchObject({
      status: 200,
      body: { pin: expect.stringMatching(/^npm:tool@1\.0\.0 sha512-\S+ sha256:[0-9a-f]{64}$/) },
    })
    const lane = await parts.daemon.launcher.launch('tool')
    expect(lane.args.slice(1)).toEqual(['--flag'])
    expect(version(lane.args[0])).toBe('one')

    registry.publish({ name: 'tool', version: '2.0.0', files: { 'main.js': 'two' }, bin: 'main.js' })
    const before = registry.journal.length
    const other = await parts.daemon.launcher.launch('tool')
    expect(version(other.args[0])).toBe('one')
    expect(registry.journal.length).toBe(before)

    expect(await parts.ask('POST', '/v1/servers/tool/update')).toMatchObject({
      status: 200,
      body: { pin: expect.stringContaining('tool@2.0.0') },
    })
    expect(folders(parts)).toEqual([expect.stringMatching(/^tool@1\.0\.0-/), expect.stringMatching(/^tool@2\.0\.0-/)])
    expect(version(lane.args[0])).toBe('one')
    const next = await parts.daemon.launcher.launch('tool')
    expect(version(next.args[0])).toBe('two')
    lane.release?.()
    lane.release?.()
    expect(folders(parts)).toHaveLength(2)
    other.release?.()
    expect(folders(parts)).toEqual([expect.stringMatching(/^tool@2\.0\.0-/)])
    expect(parts.events.ofType('server.pinned')).toHaveLength(2)

    expect((await parts.ask('DELETE', '/v1/servers/tool')).status).toBe(200)
    expect(folders(parts)).toHaveLength(1)
    next.release?.()
    expect(folders(parts)).toEqual([])
  })

  it('leaves nothing of an installation that failed, or of a server that was not added', { timeout: 60_000 }, async () => {
    registry.publish({ name: 'tool', version: '3.0.0', files: { 'main.js': 'three' }, bin: 'main.js' })
    const parts = await openParts({ config: 'version: 1\n' })
    const missing = { ...body, entry: { ...body.entry, run: ['npx', '-y', 'nothing-of-this-name'] } }
    expect(await parts.ask('POST', '/v1/servers', missing)).toMatchObject({ status: 502, body: { error: { code: 'server.start' } } })
    expect(folders(parts)).toEqual([])
    expect(parts.configText()).toBe('version: 1\n')
    parts.failStore((operation) => operation === 'commit')
    expect((await parts.ask('POST', '/v1/servers', body)).status).toBe(503)
    expect(folders(parts)).toEqual([])
    expect(parts.configText()).toBe('version: 1\n')
    expect(parts.daemon.launcher.pin('tool')).toBe('')
  })

  it('does not start when its file was changed, and is installed again when it was removed', { timeout: 60_000 }, async () => {
    registry.publish({ name: 'tool', version: '4.0.0', files: { 'main.js': 'four' }, bin: 'main.js' })
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/servers', body)
    const { packages } = parts.daemon.paths
    const [folder = ''] = folders(parts)
    writeFileSync(join(packages, folder, 'node_modules/tool/main.js'), 'changed')
    await expect(parts.daemon.launcher.launch('tool')).rejects.toMatchObject({ code: 'server.pin' })
    expect((await parts.ask('POST', '/v1/servers/tool/update')).status).toBe(200)
    expect(version((await parts.daemon.launcher.launch('tool')).args[0])).toBe('four')

    for (const name of folders(parts)) rmSync(join(packages, name), { recursive: true })
    expect(version((await parts.daemon.launcher.launch('tool')).args[0])).toBe('four')
    registry.publish({ name: 'tool', version: '5.0.0', files: { 'main.js': 'five' }, bin: 'main.js' })
    for (const name of folders(parts)) rmSync(join(packages, name), { recursive: true })
    await expect(parts.daemon.launcher.launch('tool')).rejects.toMatchObject({ code: 'server.pin' })
  })

  it('waits for `jit update` when the config names another package than was pinned', { timeout: 60_000 }, async () => {
    registry.publish({ name: 'tool', version: '1.0.0', files: { 'main.js': 'one' }, bin: 'main.js' })
    registry.publish({ name: 'other', version: '1.0.0', files: { 'main.js': 'other' }, bin: 'main.js' })
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/servers', body)
    parts.writeConfig(
      parts
        .configText()
        .replace('tool, --flag', 'other, --flag')
        .replace(/- tool$/m, '- other'),
    )
    expect(parts.configText()).toContain('other')
    expect((await parts.ask('POST', '/v1/config/apply', {})).body).toMatchObject({ applied: true })
    const before = registry.journal.length
    await expect(parts.daemon.launcher.launch('tool')).rejects.toMatchObject({
      code: 'server.pin',
      message: expect.stringContaining('"other"'),
    })
    expect(registry.journal.length).toBe(before)
    await parts.ask('POST', '/v1/servers/tool/update')
    expect(version((await parts.daemon.launcher.launch('tool')).args[0])).toBe('other')
  })

  it.each([
    ['npx', '--package=x', 'y'],
    ['npx', '-y'],
    ['npx', '-y', '../x'],
    ['npx', '-y', 'https://example.test/x.tgz'],
    ['npx', '-y', 'x@file:..'],
    ['npx', '-y', '.hidden'],
  ])('is refused as %s %s %s', async (...run) => {
    const parts = await openParts({ config: 'version: 1\n' })
    const entry = { run: run.filter((word) => word !== undefined), allow: ['x'] }
    expect(await parts.ask('POST', '/v1/servers', { name: 'tool', entry })).toMatchObject({ body: { error: { code: 'server.start' } } })
    expect(folders(parts)).toEqual([])
  })
})

describe('a server given as another program', () => {
  it('says of a runner that what it runs is not pinned', async () => {
    const parts = await openParts({ config: 'version: 1\n' })
    const add = async (run: string[]): Promise<unknown> =>
      (await parts.ask('POST', '/v1/servers', { name: 'tool', entry: { run, allow: ['x'] }, replace: true })).body
    expect(await add(['sh', '-c', 'x'])).toMatchObject({
      pin: expect.stringMatching(/^sha256:[0-9a-f]{64} \(of sh alone: what it runs is not pinned\)$/),
    })
    expect(await add(['cat'])).toMatchObject({ pin: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) })
    expect((await parts.ask('GET', '/v1/servers')).body).toMatchObject([{ pin: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) }])
  })
})
