import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { demoEnvironment, launcher, root, runJit } from '../support/command.ts'
import { type NpmRegistry, startNpmRegistry, type TestPackage } from '../support/npm-registry.ts'
import { must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const serverText = readFileSync(join(root, 'test/support/fixture-server.mjs'), 'utf8')
const toolAnswer = z.object({ content: z.array(z.object({ text: z.string() })).min(1) })
const recordShape = z.looseObject({ type: z.string(), pin: z.string().optional(), detail: z.looseObject({}).optional() })
const updateShape = z.object({ name: z.string(), before: z.string(), pin: z.string() })

const greeter = (version: string, note = '', name = '@acme/greeter'): TestPackage => ({
  name,
  version,
  files: { 'dist/index.js': `#!/usr/bin/env node\n// ${version} ${note}\n${serverText}` },
  bin: 'dist/index.js',
})

/** The user's own npm, pointed at a registry on loopback by the user's own npmrc: the daemon's environment names nothing of it. */
describe('a server from an npm registry', () => {
  const account = mkdtempSync(join(tmpdir(), 'jit-account-'))
  const accountBefore = process.env['HOME']
  let registry: NpmRegistry
  let stage: Stage
  let integrity = ''

  beforeAll(async () => {
    registry = await startNpmRegistry()
    integrity = registry.publish(greeter('1.0.0'))
    writeFileSync(join(account, '.npmrc'), `registry=${registry.url}\ncache=${join(account, 'cache')}\nupdate-notifier=false\n`)
    process.env['HOME'] = account
    stage = await openStage()
  })
  afterAll(async () => {
    await stage.close()
    await registry.close()
    if (accountBefore !== undefined) process.env['HOME'] = accountBefore
    rmSync(account, { recursive: true, force: true })
  })

  const add = (name: string, spec: string): ReturnType<typeof runJit> =>
    runJit(stage.home, ['add', name, '--allow', 'environment', '--json', '--', 'npx', '-y', spec, 'first', '--second'])

  it('is pinned by version and integrity when it is added', async () => {
    const added = await add('greeter', '@acme/greeter@1.0.0')
    expect(added.stderr).toBe('')
    expect(pinOf(added.stdout)).toMatch(/^npm:@acme\/greeter@1\.0\.0 /)
    expect(pinOf(added.stdout)).toContain(integrity)
    expect(registry.journal).toContain('@acme/greeter/-/greeter-1.0.0.tgz')
  })

  it('starts from the state folder, with its arguments, and asks the registry nothing', async () => {
    await must(stage, ['stop'])
    const before = registry.journal.length
    const { argv } = await started(stage, 'greeter')
    expect(argv[1]).toMatch(new RegExp(`^${stage.home}/.*/@acme/greeter/dist/index\\.js$`))
    expect(argv.slice(2)).toEqual(['first', '--second'])
    expect(registry.journal.length).toBe(before)
  })

  it('shows its pin in the record of every call', async () => {
    const calls = (await trail(stage)).filter(({ type }) => type.startsWith('call.'))
    expect(calls.map(({ type }) => type)).toEqual(['call.intent', 'call.close'])
    for (const { pin } of calls) expect(pin).toContain(integrity)
  })

  it('is refused when its tarball is not the one of its integrity, and nothing is left behind', async () => {
    registry.publish(greeter('1.0.0', 'as published', 'swapped'))
    registry.swap(greeter('1.0.0', 'with something that nobody reviewed', 'swapped'))
    const added = await add('swapped', 'swapped@1.0.0')
    expect(added.code).not.toBe(0)
    expect(added.stdout + added.stderr).toMatch(/swapped@1\.0\.0.*EINTEGRITY.*integrity/is)
    expect(await must(stage, ['servers', '--json'])).not.toContain('swapped')
    // And again: a folder that a failed installation left must not pass for an installed package.
    expect((await add('swapped', 'swapped@1.0.0')).code).not.toBe(0)
  })

  it('is not added once the command that asked for it was ended with Ctrl-C', async () => {
    registry.publish(greeter('1.0.0', 'never asked for in the end', 'given-up'))
    registry.publish(greeter('1.0.0', 'for a look at what became of the other', 'next'))
    const release = registry.hold()
    const command = spawn(process.execPath, [launcher, 'add', 'given-up', '--', 'npx', '-y', 'given-up@1.0.0'], {
      env: demoEnvironment(stage.home),
      stdio: 'ignore',
    })
    const ended = once(command, 'exit')
    await expect.poll(() => registry.journal, { timeout: 20_000 }).toContain('given-up/-/given-up-1.0.0.tgz')
    command.kill('SIGINT')
    await ended
    release()
    // Whatever the daemon still does for the first is done before a whole installation after it.
    expect((await add('next', 'next@1.0.0')).code).toBe(0)
    const servers = await must(stage, ['servers', '--json'])
    expect(servers).toContain('"next"')
    expect(servers).not.toContain('given-up')
  })

  it('does not start when its files were changed after it was pinned', async () => {
    const { argv } = await started(stage, 'greeter')
    const file = argv[1] ?? ''
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, `${text}\n// changed`)
    await must(stage, ['stop'])
    await expect(started(stage, 'greeter')).rejects.toThrow(/1703|pinned/)
    writeFileSync(file, text)
    await started(stage, 'greeter')
    // Not its entry: any file of the installation counts.
    const beside = join(dirname(file), 'beside.js')
    writeFileSync(beside, '')
    await must(stage, ['stop'])
    await expect(started(stage, 'greeter')).rejects.toThrow(/1703|pinned/)
    rmSync(beside)
    await started(stage, 'greeter')
  })

  it('a new version comes with jit update only, which shows both', async () => {
    const added = await add('floating', '@acme/greeter@^1.0.0')
    const first = pinOf(added.stdout)
    expect(first).toContain('@acme/greeter@1.0.0 ')
    const newer = registry.publish(greeter('1.1.0'))
    await must(stage, ['stop'])
    await started(stage, 'floating')
    const updated = updateShape.parse(JSON.parse(await must(stage, ['update', 'floating', '--json'])))
    expect(updated.before).toBe(first)
    expect(updated.pin).toMatch(/^npm:@acme\/greeter@1\.1\.0 /)
    expect(updated.pin).toContain(newer)
    expect((await trail(stage)).findLast(({ type }) => type === 'server.pinned')?.detail).toMatchObject({
      pin: updated.pin,
      before: first,
    })
    // The exact version stays what it is.
    const same = updateShape.parse(JSON.parse(await must(stage, ['update', 'greeter', '--json'])))
    expect(same.pin).toBe(same.before)
    await must(stage, ['audit', 'verify'])
  })
})

/** What the server's own process says of itself. A new connection, so that the daemon starts it now. */
async function started(stage: Stage, server: string): Promise<{ argv: string[] }> {
  const client = await stage.client(server)
  const answer = toolAnswer.parse(await client.callTool({ name: 'environment', arguments: {} }))
  return z.object({ argv: z.array(z.string()) }).parse(JSON.parse(answer.content[0]?.text ?? ''))
}

async function trail(stage: Stage): Promise<z.infer<typeof recordShape>[]> {
  const text = await must(stage, ['audit', '--json'])
  return z.array(recordShape).parse(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  )
}

function pinOf(json: string): string {
  return z.looseObject({ pin: z.string() }).parse(JSON.parse(json)).pin
}
