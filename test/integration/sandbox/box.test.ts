import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { listenOnLoopback } from '../../../src/egress/listen.ts'
import type { Box } from '../../../src/sandbox/types.ts'
import { type Bench, openBench } from '../../unit/egress/support.ts'
import { hasSandbox, openPlayground, type Playground, type Ran, runBoxed } from './support.ts'

const usable = await hasSandbox('tests of the sandbox')

describe.skipIf(!usable)('a program in the sandbox', () => {
  let bench: Bench
  let playground: Playground
  let lanes = 0

  beforeAll(async () => {
    bench = await openBench()
    playground = openPlayground()
    mkdirSync(join(playground.home, '.ssh'))
    writeFileSync(join(playground.home, '.ssh/id_ed25519'), 'a key')
    writeFileSync(join(playground.state, 'jit.db'), 'sealed')
  })
  afterAll(async () => {
    await bench.close()
    playground.close()
  })

  /** Runs a script of Node's that answers by what it prints; it sees `look(work)`: what that answers, or its error's code. */
  const run = async (box: Box, script: string, environment: Record<string, string> = {}, more: readonly string[] = []): Promise<Ran> => {
    const lane = await openLane(box)
    const look = `const look = async (work) => { try { return await work() } catch (error) { return error.code ?? String(error) } };`
    const imports = `import * as fs from 'node:fs'; import * as net from 'node:net'; import * as os from 'node:os'; import * as dns from 'node:dns/promises'; import { once } from 'node:events';`
    const args = ['--input-type=module', '-e', `${imports}${look}console.log(JSON.stringify(await (async () => { ${script} })()))`, ...more]
    const ran = await runBoxed(box, { command: process.execPath, args, network: lane, origins: ['https://api.test'], environment })
    lane.close()
    return ran
  }
  const answer = async (box: Box, script: string, environment: Record<string, string> = {}): Promise<unknown> => {
    const { stdout, stderr, code } = await run(box, script, environment)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    return JSON.parse(stdout)
  }

  it('has a loopback of its own and nothing else: no listener of the machine, no name, no address', async () => {
    const server: Server = createServer((socket) => socket.end('the machine’s'))
    const port = await listenOnLoopback(server)
    const found = await answer(
      await playground.open(),
      `const dial = (port, host) => look(() => new Promise((resolve, reject) => net.connect({ port, host }).once('data', (part) => resolve(String(part))).once('error', reject)))
       const interfaces = Object.keys(os.networkInterfaces())
       // Nothing may be dialled from the machine itself, should the box be broken.
       if (interfaces.join() !== 'lo') return { interfaces }
       return { interfaces, machine: await dial(${port}, '127.0.0.1'), six: await dial(${port}, '::1'),
         metadata: await dial(80, '169.254.169.254'), name: await look(() => dns.lookup('example.test')) }`,
    )
    server.close()
    expect(found).toEqual({
      interfaces: ['lo'],
      machine: 'ECONNREFUSED',
      six: 'ECONNREFUSED',
      metadata: 'ENETUNREACH',
      name: expect.stringMatching(/^E/),
    })
  })

  it('sees an empty home, whatever the account has there', async () => {
    const found = await answer(
      await playground.open(),
      `return { home: process.env.HOME, there: fs.readdirSync(process.env.HOME), key: await look(() => fs.readFileSync(process.env.HOME + '/.ssh/id_ed25519', 'utf8')), real: await look(() => fs.readdirSync(${JSON.stringify(homedir())})) }`,
    )
    expect(found).toEqual({ home: playground.home, there: [], key: 'ENOENT', real: 'ENOENT' })
  })

  it('writes to its home and /tmp, which go with it, and to nothing else', async () => {
    const given = join(playground.folder, 'given')
    mkdirSync(given)
    writeFileSync(join(given, 'file'), 'as it was')
    const places = ['/usr/x', '/etc/x', '/etc/hosts', '/x', '/run/x', '/.jit/x', join(given, 'file'), join(given, 'new')]
    const found = await answer(
      await playground.open({ readable: [given] }),
      `const write = (path) => look(() => fs.writeFileSync(path, 'mine'))
       return { own: [await write('/tmp/x'), await write(process.env.HOME + '/x')], others: await Promise.all(${JSON.stringify(places)}.map(write)) }`,
    )
    expect(found).toEqual({ own: [null, null], others: places.map(() => expect.stringMatching(/^(EROFS|EACCES)$/)) })
    expect(readFileSync(join(given, 'file'), 'utf8')).toBe('as it was')
    expect(existsSync(join(playground.home, 'x'))).toBe(false)
  })

  it.each(['with a space', 'a "quoted" $(name)', '--bind', 'línea\nother', "it's", '*'])(
    'reads and writes a declared folder named %j',
    async (name) => {
      const folder = join(playground.folder, name)
      mkdirSync(folder)
      writeFileSync(join(folder, 'before'), 'here')
      const found = await answer(
        await playground.open({ writable: [folder] }),
        `const folder = ${JSON.stringify(folder)}; fs.writeFileSync(folder + '/after', 'written'); return fs.readFileSync(folder + '/before', 'utf8')`,
      )
      expect(found).toBe('here')
      expect(readFileSync(join(folder, 'after'), 'utf8')).toBe('written')
    },
  )

  it('reaches a declared folder under the name that it was given, links and all', async () => {
    const real = join(playground.folder, 'real')
    mkdirSync(join(real, 'inner'), { recursive: true })
    writeFileSync(join(real, 'inner/file'), 'found')
    symlinkSync('real', join(playground.folder, 'relative'))
    symlinkSync(join(playground.folder, 'relative/inner'), join(playground.folder, 'absolute'))
    const path = join(playground.folder, 'absolute')
    expect(
      await answer(await playground.open({ readable: [path] }), `return fs.readFileSync(${JSON.stringify(join(path, 'file'))}, 'utf8')`),
    ).toBe('found')
  })

  it('does not get what a link leads to that it left in its writable folder', async () => {
    const folder = join(playground.folder, 'left')
    mkdirSync(folder)
    symlinkSync(join(playground.home, '.ssh'), join(folder, 'node_modules'))
    symlinkSync(join(playground.home, '.ssh'), join(folder, 'data'))
    writeFileSync(join(folder, 'main.mjs'), '')
    const box = await playground.open({ writable: [folder], readable: [join(folder, 'data')] })
    const boxed = box.enter(
      { command: process.execPath, args: [join(folder, 'main.mjs'), join(folder, 'data')], cwd: folder },
      {},
      undefined,
    )
    expect(boxed.args.filter((arg) => arg.includes('.ssh'))).toEqual([])
  })

  it('does not get what a link leads to that stands for its working folder, or on the way to what is declared', async () => {
    const folder = join(playground.folder, 'work')
    mkdirSync(folder)
    symlinkSync(join(playground.home, '.ssh'), join(folder, 'here'))
    symlinkSync(join(folder, 'here'), join(playground.folder, 'outer'))
    const box = await playground.open({ writable: [folder], cwd: join(folder, 'here') })
    const boxed = box.enter({ command: '/usr/bin/true', args: [], cwd: join(folder, 'here') }, {}, undefined)
    expect(boxed.args.filter((arg, index) => arg.includes('.ssh') && boxed.args[index - 1] === '--ro-bind')).toEqual([])
    for (const [own, other] of [
      [[folder], []],
      [[], [folder]],
    ] as const) {
      const declared = { readable: [join(playground.folder, 'outer')], writable: [...own] }
      const shown = await playground.open(declared, { other: { run: ['other'], writable: [...other] } })
      expect(() => shown.enter({ command: '/usr/bin/true', args: [], cwd: '/' }, {}, undefined)).toThrow(/a server may write/)
    }
  })

  it('cannot be given a path on which another server may put a link', async () => {
    const folder = join(playground.folder, 'shared')
    mkdirSync(join(folder, 'inner'), { recursive: true })
    const box = await playground.open({ readable: [join(folder, 'inner')] }, { other: { run: ['other'], writable: [folder] } })
    expect(() => box.enter({ command: '/usr/bin/true', args: [], cwd: '/' }, {}, undefined)).toThrow(/another server may write around it/)
  })

  it('sees nothing of the broker, even where the folders around it are declared', async () => {
    const found = await answer(
      await playground.open({ readable: [playground.home] }),
      `return { home: fs.readdirSync(${JSON.stringify(playground.home)}), state: fs.readdirSync(${JSON.stringify(playground.state)}) }`,
    )
    expect(found).toEqual({ home: expect.arrayContaining(['state']), state: [] })
  })

  it.each([
    { readable: ['/'], why: 'a sandbox has its own of this' },
    { readable: ['/proc/1'], why: 'a sandbox has its own of this' },
    { readable: ['/no/such/place'], why: 'it is not there' },
    { readable: ['~/state/jit.db'], why: 'it belongs to jit' },
    { writable: ['~/config'], why: 'it belongs to the config of jit' },
    // What is mounted over them stays; the folders on the way to them could be moved away.
    { writable: ['~'], why: 'folders of jit stand in it' },
  ])('is not started with $readable $writable', async ({ why, ...declared }) => {
    mkdirSync(join(playground.home, 'config'), { recursive: true })
    const box = await playground.open(declared)
    expect(() => box.enter({ command: '/usr/bin/true', args: [], cwd: '/' }, {}, undefined)).toThrow(why)
  })

  it('sees no process but its own, and has no capability', async () => {
    const found = await answer(
      await playground.open(),
      `const processes = fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map((pid) => fs.readFileSync('/proc/' + pid + '/comm', 'utf8').trim())
       const status = fs.readFileSync('/proc/self/status', 'utf8')
       return { processes, capabilities: status.match(/Cap(Inh|Prm|Eff|Amb):\\s*0+\\n/g).length, privileges: /NoNewPrivs:\\s*1/.test(status), uid: process.getuid() }`,
    )
    expect(found).toMatchObject({ capabilities: 4, privileges: true, uid: process.getuid?.() === 0 ? 1000 : process.getuid?.() })
    expect(Reflect.get(Object(found), 'processes')).toHaveLength(3)
  })

  it('has its own variables only, and none of them stands in a command line', async () => {
    const canary = 'canary-6f1d2c'
    const box = await playground.open()
    const seen: string[] = []
    const watch = setInterval(() => seen.push(...commandLines()), 5)
    const found = await answer(box, `await new Promise((go) => setTimeout(go, 100)); return process.env`, { CANARY: canary })
    clearInterval(watch)
    expect(found).toMatchObject({ CANARY: canary, HOME: playground.home, TMPDIR: '/tmp' })
    expect(Object.keys(Object(found)).sort()).toEqual(['CANARY', 'HOME', 'JAVA_TOOL_OPTIONS', 'PATH', 'TMPDIR'])
    expect(seen.some((line) => line.includes('relay'))).toBe(true)
    expect(seen.filter((line) => line.includes(canary))).toEqual([])
  })

  it('ends with its parent, however that ends', async () => {
    const box = await playground.open()
    const lane = await openLane(box)
    const mark = join(playground.folder, 'alive')
    mkdirSync(mark)
    const writing = await playground.open({ writable: [mark] })
    const boxed = writing.enter(
      {
        command: process.execPath,
        args: ['-e', `setInterval(() => require('fs').writeFileSync(${JSON.stringify(join(mark, 'now'))}, String(Date.now())), 10)`],
        cwd: '/tmp',
      },
      { PATH: '/usr/bin:/bin' },
      undefined,
    )
    const keeper = `const { spawn } = require('node:child_process'); spawn(process.argv[1], process.argv.slice(2), { stdio: 'ignore', detached: true }); setInterval(() => 0, 1000)`
    const parent = spawn(process.execPath, ['-e', keeper, boxed.command, ...boxed.args], { stdio: 'ignore', env: { ...boxed.environment } })
    await expect.poll(() => existsSync(join(mark, 'now')), { timeout: 20_000 }).toBe(true)
    parent.kill('SIGKILL')
    await once(parent, 'close')
    await expect.poll(() => commandLines().filter((line) => line.includes(mark)).length, { timeout: 20_000 }).toBe(0)
    lane.close()
  })

  it('answers with the exit code of the server, and says why it could not be started', async () => {
    expect(await run(await playground.open(), 'process.exit(7)')).toMatchObject({ code: 7 })
    const box = await playground.open()
    const lane = await openLane(box)
    const ran = await runBoxed(box, { command: '/usr/bin/no-such-program', network: lane })
    lane.close()
    expect(ran.code).not.toBe(0)
    expect(ran.stderr).toMatch(/no-such-program/)
  })

  it('leaves nothing behind', async () => {
    const box = await playground.open()
    await run(box, 'return 0')
    box.close()
    expect(existsSync(box.folder)).toBe(false)
  })

  function openLane(box: Box): Promise<LaneNetwork> {
    lanes += 1
    return bench.lane({ lane: `box_${lanes}`, doors: box.folder })
  }
})

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
}
