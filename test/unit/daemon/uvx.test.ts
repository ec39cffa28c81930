import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { hashFolder } from '../../../src/daemon/hash-folder.ts'
import { uvPackage } from '../../../src/daemon/uv-package.ts'
import { readUvx, uvxText } from '../../../src/daemon/uvx.ts'
import type { LaunchSpec } from '../../../src/gateway/types.ts'
import { hasUv, type PythonIndex, startPythonIndex, type TestWheel } from '../../support/python-index.ts'
import { openParts, type Parts } from './parts.ts'

let index: PythonIndex
const cache = mkdtempSync(join(tmpdir(), 'jit-uv-cache-'))

beforeAll(async () => {
  index = await startPythonIndex()
})
afterAll(async () => {
  await index.close()
  rmSync(cache, { recursive: true, force: true })
})
beforeEach(() => {
  vi.stubEnv('UV_DEFAULT_INDEX', index.url)
  vi.stubEnv('UV_CACHE_DIR', cache)
  vi.stubEnv('UV_PYTHON_DOWNLOADS', 'never')
  return () => vi.unstubAllEnvs()
})

const wheel = (name: string, version: string, says: string, commands?: readonly string[]): TestWheel => ({
  name,
  version,
  module: `import sys\ndef main():\n    print(${JSON.stringify(says)}, *sys.argv[1:])\n`,
  ...(commands === undefined ? {} : { commands }),
})
const body = (...run: string[]): object => ({ name: 'tool', entry: { run, allow: ['x'] } })
const folders = (parts: Parts): string[] => {
  const { packages } = parts.daemon.paths
  return existsSync(packages) ? readdirSync(packages).sort() : []
}
/** What the program says, started as a lane starts it. */
const says = ({ command, args, environment }: LaunchSpec): string =>
  execFileSync(command, args, { env: environment, encoding: 'utf8' }).trim()
/** The file of an installed module. */
function moduleFile(parts: Parts, name: string, folder = folders(parts)[0] ?? ''): string {
  const lib = join(parts.daemon.paths.packages, folder, 'env/lib')
  return join(lib, readdirSync(lib)[0] ?? '', 'site-packages', name)
}
const launch = (parts: Parts): Promise<LaunchSpec> => parts.daemon.launcher.launch('tool')

describe.skipIf(!hasUv())('a server given as uvx', { timeout: 60_000 }, () => {
  it('is installed beside its older version, which stays while a lane runs from it', async () => {
    index.publish(wheel('first-tool', '1.0.0', 'one'))
    const parts = await openParts({ config: 'version: 1\n' })
    expect(await parts.ask('POST', '/v1/servers', body('uvx', 'First_Tool', '--flag'))).toMatchObject({ status: 502 })
    expect(await parts.ask('POST', '/v1/servers', body('uvx', 'first-tool', '--flag'))).toMatchObject({
      status: 200,
      body: { pin: expect.stringMatching(/^pypi:first-tool@1\.0\.0 sha256:[0-9a-f]{64}$/) },
    })
    const lane = await launch(parts)
    expect(says(lane)).toBe('one --flag')

    index.publish(wheel('first-tool', '2.0.0', 'two'))
    const before = index.journal.length
    const other = await launch(parts)
    expect(says(other)).toBe('one --flag')
    expect(index.journal.length).toBe(before)

    expect(await parts.ask('POST', '/v1/servers/tool/update')).toMatchObject({
      status: 200,
      body: { pin: expect.stringMatching(/^pypi:first-tool@2\.0\.0 /) },
    })
    expect(folders(parts)).toEqual([expect.stringMatching(/^first-tool@1\.0\.0-/), expect.stringMatching(/^first-tool@2\.0\.0-/)])
    expect(says(lane)).toBe('one --flag')
    const next = await launch(parts)
    expect(says(next)).toBe('two --flag')
    lane.release?.()
    other.release?.()
    expect(folders(parts)).toEqual([expect.stringMatching(/^first-tool@2\.0\.0-/)])
    expect(parts.events.ofType('server.pinned')).toHaveLength(2)
    await parts.ask('DELETE', '/v1/servers/tool')
    next.release?.()
    expect(folders(parts)).toEqual([])
  })

  it('does not start when any of its files was changed, and is installed again when it was removed', async () => {
    index.publish(wheel('changed', '1.0.0', 'one'))
    index.publish(wheel('helper', '1.0.0', 'helps'))
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/servers', body('uvx', '--with', 'helper', 'changed'))
    const pin = parts.daemon.launcher.pin('tool')
    expect(pin).toMatch(/^pypi:changed@1\.0\.0 \+helper@1\.0\.0 sha256:/)
    const file = moduleFile(parts, 'helper.py')
    writeFileSync(file, 'changed')
    await expect(launch(parts)).rejects.toMatchObject({ code: 'server.pin' })
    expect((await parts.ask('POST', '/v1/servers/tool/update')).body).toMatchObject({ pin })
    expect(says(await launch(parts))).toBe('one')
    for (const name of folders(parts)) rmSync(join(parts.daemon.paths.packages, name), { recursive: true })
    expect(says(await launch(parts))).toBe('one')
    expect(folders(parts)).toHaveLength(1)
    const before = index.journal.length
    expect(says(await launch(parts))).toBe('one')
    expect(index.journal.length).toBe(before)
    writeFileSync(moduleFile(parts, 'sitecustomize.py'), 'print("added")')
    await expect(launch(parts)).rejects.toMatchObject({ code: 'server.pin' })
  })

  it('neither keeps byte code nor runs any that was put there', async () => {
    index.publish(wheel('cached', '1.0.0', 'one'))
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/servers', body('uvx', 'cached'))
    const lane = await launch(parts)
    expect(says(lane)).toBe('one')
    const site = moduleFile(parts, '')
    expect(readdirSync(site)).not.toContain('__pycache__')
    // Byte code of another source, under this module's name, believed without a look at the source.
    writeFileSync(join(cache, 'cached.py'), 'def main(): print("planted")')
    const plant = `import py_compile, importlib.util as u; py_compile.compile(${JSON.stringify(join(cache, 'cached.py'))}, u.cache_from_source(${JSON.stringify(join(site, 'cached.py'))}), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)`
    execFileSync(lane.command, ['-c', plant])
    expect(execFileSync(lane.command, [...lane.args], { encoding: 'utf8' }).trim()).toBe('planted')
    expect(says(await launch(parts))).toBe('one')
  })

  it('is refused when its wheel is not the one of its hash, or there is no such package, and nothing is left', async () => {
    index.publish(wheel('swapped', '1.0.0', 'one'))
    index.swap(wheel('swapped', '1.0.0', 'another'))
    const parts = await openParts({ config: 'version: 1\n' })
    expect((await parts.ask('POST', '/v1/servers', body('uvx', 'swapped'))).body).toMatchObject({
      error: { code: 'server.start', message: expect.stringMatching(/hash mismatch/i), hint: expect.stringContaining('promises') },
    })
    expect((await parts.ask('POST', '/v1/servers', body('uvx', 'nothing-of-this-name'))).body).toMatchObject({
      error: { code: 'server.start', message: expect.stringContaining('nothing-of-this-name was not found') },
    })
    expect(folders(parts)).toEqual([])
    expect(parts.configText()).toBe('version: 1\n')
  })

  it('runs the command that was asked for, and names those there are', async () => {
    index.publish(wheel('many', '1.0.0', 'old', ['many-a', 'many-b']))
    index.publish(wheel('many', '1.1.0', 'new', ['many-a', 'many-b']))
    const parts = await openParts({ config: 'version: 1\n' })
    expect((await parts.ask('POST', '/v1/servers', body('uvx', 'many'))).body).toMatchObject({
      error: { code: 'server.start', hint: expect.stringContaining('many-a, many-b') },
    })
    const added = await parts.ask('POST', '/v1/servers', body('uv', 'tool', 'run', '--from', 'many>=1,<1.1', 'many-b', 'x'))
    expect(added.body).toMatchObject({ pin: expect.stringMatching(/^pypi:many@1\.0\.0 /) })
    expect(says(await launch(parts))).toBe('old x')
  })

  it('is not decided by the settings of a folder above', async () => {
    index.publish(wheel('settled', '1.0.0', 'one'))
    index.publish(wheel('settled', '2.0.0', 'two'))
    const parts = await openParts({ config: 'version: 1\n' })
    mkdirSync(parts.daemon.paths.packages, { recursive: true })
    writeFileSync(join(parts.daemon.paths.packages, 'pyproject.toml'), '[tool.uv]\nconstraint-dependencies = ["settled<2"]\n')
    writeFileSync(join(parts.daemon.paths.packages, 'uv.toml'), 'resolution = "lowest"\n')
    writeFileSync(join(parts.daemon.paths.packages, '.python-version'), '2.1\n')
    expect((await parts.ask('POST', '/v1/servers', body('uvx', 'settled'))).body).toMatchObject({
      pin: expect.stringContaining('@2.0.0'),
    })
  })

  it('does not start without its Python, and says so', async () => {
    index.publish(wheel('bereft', '1.0.0', 'one'))
    const parts = await openParts({ config: 'version: 1\n' })
    await parts.ask('POST', '/v1/servers', body('uvx', 'bereft'))
    const python = join(parts.daemon.paths.packages, folders(parts)[0] ?? '', 'env/bin/python')
    rmSync(python)
    symlinkSync('/nowhere/python', python)
    await expect(launch(parts)).rejects.toMatchObject({ code: 'server.start', message: expect.stringContaining('gone') })
  })
})

it('a Python that would believe byte code beside the sources is refused', async () => {
  const place = mkdtempSync(join(cache, 'old-'))
  mkdirSync(join(place, 'env/lib/python3.7/site-packages/tool-1.0.dist-info'), { recursive: true })
  await expect(uvPackage(readUvx(['tool']).request, 'uv').read(place)).rejects.toThrow('too old')
})

describe('the arguments of uvx', () => {
  it.each([
    ['tool', 'uvx tool'],
    ['tool@latest', 'uvx tool'],
    ['tool==1.0 --tool-option', 'uvx --from tool==1.0 tool'],
    ['tool@1.0', 'uvx --from tool==1.0 tool'],
    ['-q --isolated tool[extra]@1.0', 'uvx --from tool[extra]==1.0 tool'],
    ['--from tool@1.0 other', 'uvx --from tool==1.0 other'],
    ['--from=tool==1.0 -w a,b>=1,<2 --with=c other', 'uvx --with a --with b>=1,<2 --with c --from tool==1.0 other'],
    ['-p 3.12 tool', 'uvx --python 3.12 tool'],
    ['--python=3 tool --python 3.13', 'uvx --python 3 tool'],
  ])('%s mean %s', (typed, text) => {
    const { request, args } = readUvx(typed.split(' '))
    expect(uvxText(request)).toBe(text)
    expect(args).toEqual(/(?<=tool\S* )(--.*)$/.exec(typed)?.[1]?.split(' ') ?? [])
    expect(uvxText(readUvx(text.split(' ').slice(1)).request)).toBe(text)
  })

  it.each([
    [[]],
    [['--from', 'tool']],
    [['--with']],
    [['--index-url', 'http://x.test', 'tool']],
    [['--default-index=http://x.test', 'tool']],
    [['--index', 'x', 'tool']],
    [['--extra-index-url', 'x', 'tool']],
    [['--find-links', '.', 'tool']],
    [['--with-requirements', 'x.txt', 'tool']],
    [['--with-editable', '.', 'tool']],
    [['--prerelease', 'allow', 'tool']],
    [['--env-file', 'x', 'tool']],
    [['--python', '/usr/bin/python3', 'tool']],
    [['--with', 'https://x.test/a.whl', 'tool']],
    [['--with', 'a @ file:///a', 'tool']],
    [['--with', 'a@1.0', 'tool']],
    [['--from', 'git+https://x.test/tool', 'tool']],
    [['git+https://x.test/tool']],
    [['tool@git+https://x.test/tool']],
    [['./tool']],
    [['tool.whl/../x']],
    [['tool; python_version < "3"']],
    [['tool\n--index-url=http://x.test']],
    [['--from', 'tool', '../../bin/sh']],
    [['--from', 'tool', '.hidden']],
    [['python']],
    [['python3.12']],
    [['--', 'tool']],
  ])('%j are refused', (args) => {
    expect(() => readUvx(args)).toThrow(expect.objectContaining({ code: 'server.start' }))
  })
})

describe('the hash of a folder', () => {
  it('is another one for every change of what is there, and for nothing else', async () => {
    const folder = mkdtempSync(join(cache, 'hash-'))
    const hash = (): Promise<string> => hashFolder(folder, (name) => name === 'skipped')
    writeFileSync(join(folder, 'a'), 'one')
    mkdirSync(join(folder, 'inner'))
    symlinkSync('a', join(folder, 'link'))
    const first = await hash()
    const seen = new Set([first])
    const changes: [() => void, () => void][] = [
      [() => writeFileSync(join(folder, 'a'), 'two'), () => writeFileSync(join(folder, 'a'), 'one')],
      [() => writeFileSync(join(folder, 'a'), 'o'.repeat(1_500_000)), () => writeFileSync(join(folder, 'a'), 'one')],
      [() => writeFileSync(join(folder, 'a'), `${'o'.repeat(1_499_999)}p`), () => writeFileSync(join(folder, 'a'), 'one')],
      [() => chmodSync(join(folder, 'a'), 0o755), () => chmodSync(join(folder, 'a'), 0o644)],
      [() => writeFileSync(join(folder, 'inner/b'), ''), () => rmSync(join(folder, 'inner/b'))],
      [() => mkdirSync(join(folder, 'inner/b')), () => rmSync(join(folder, 'inner/b'), { recursive: true })],
      [() => symlinkSync('skipped', join(folder, 'inner/b')), () => rmSync(join(folder, 'inner/b'))],
      [() => writeFileSync(join(folder, 'inner/skipped'), ''), () => rmSync(join(folder, 'inner/skipped'))],
    ]
    for (const [change, undo] of changes) {
      change()
      seen.add(await hash())
      undo()
      expect(await hash()).toBe(first)
    }
    expect(seen.size).toBe(changes.length + 1)
    mkdirSync(join(folder, 'skipped'))
    writeFileSync(join(folder, 'skipped/c'), '')
    expect(await hash()).toBe(first)
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await expect(hash()).rejects.toThrow('neither')
  })
})
