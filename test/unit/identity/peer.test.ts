import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeAgent } from '../../../src/identity/agent.ts'
import { admitPeer, openPeerReader, type PeerReader } from '../../../src/identity/peer.ts'
import { readProcess } from '../../../src/identity/process.ts'

const connects = 'require("net").connect(process.argv[1]).on("connect", () => process.stdin.resume()).on("close", () => process.exit())'

/** A connection from a child process, accepted here. */
async function connection(command: (path: string) => [string, string[]]): Promise<{ socket: Socket; pid: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-peer-'))
  const server = createServer()
  server.listen(join(folder, 'test.sock'))
  await once(server, 'listening')
  const [program, args] = command(join(folder, 'test.sock'))
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] })
  const [socket]: Socket[] = await once(server, 'connection')
  if (socket === undefined || child.pid === undefined) throw new Error('nobody connected')
  onTestFinished(async () => {
    socket.destroy()
    child.stdin.end()
    child.kill()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { socket, pid: child.pid }
}

async function reader(): Promise<PeerReader> {
  const read = await openPeerReader()
  if (read === undefined) throw new Error('koffi is not installed')
  return read
}

describe.runIf(process.platform === 'linux')('the peer of a socket', () => {
  it('is the process that connected, by the kernel’s word', async () => {
    const read = await reader()
    const { socket, pid } = await connection((path) => [process.execPath, ['-e', connects, path]])
    expect(read(socket)).toEqual({ pid, uid: process.getuid?.(), gid: process.getgid?.() })
  })

  it('is unknown for a socket that is closed', async () => {
    const read = await reader()
    const { socket } = await connection((path) => [process.execPath, ['-e', connects, path]])
    socket.destroy()
    expect(read(socket)).toBeUndefined()
  })

  it('leads to the agent, past the shell that started the shim', async () => {
    const read = await reader()
    // The trailing command keeps the shell from replacing itself by the shim.
    const { socket, pid } = await connection((path) => ['/bin/sh', ['-c', `"$0" -e '${connects}' "$1"; :`, process.execPath, path]])
    const peer = read(socket)
    expect(peer?.pid).not.toBe(pid)
    expect(readProcess(peer?.pid ?? 0)?.parent).toBe(pid)
    expect(readProcess(pid)?.launcher).toBe(true)
    const agent = describeAgent({ pid: 0, parent: { pid: 0, name: '', startTime: 0 } }, peer)
    expect(agent).toEqual({ name: expect.any(String), pid: process.pid, startTime: readProcess(process.pid)?.startTime, evidence: 'peer' })
  })
})

const unshare = ['--user', '--map-current-user', '--pid', '--fork', '--kill-child']

describe.runIf(spawnSync('unshare', [...unshare, 'true']).status === 0)('a peer of another PID namespace', () => {
  it('has no process and an account', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jit-peer-'))
    const path = join(folder, 'test.sock')
    const program = `
      const { openPeerReader } = await import(${JSON.stringify(join(import.meta.dirname, '../../../src/identity/peer.ts'))})
      const { createServer } = await import('node:net')
      const read = await openPeerReader()
      createServer((socket) => console.log(JSON.stringify(read(socket)))).listen(${JSON.stringify(path)}, () => console.log('listens'))`
    const child = spawn('unshare', [...unshare, process.execPath, '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('listens')
    const socket = connect(path)
    onTestFinished(() => {
      socket.destroy()
      // As the first process of its namespace it heeds no other signal.
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    })
    const peer: unknown = JSON.parse(String((await lines.next()).value))
    expect(peer).toEqual({ pid: 0, uid: process.getuid?.(), gid: process.getgid?.() })
  })
})

describe.runIf(process.platform === 'linux')('a process', () => {
  it('is read from the kernel, whatever characters its name has', async () => {
    const child = spawn(process.execPath, ['-e', 'process.title = "a) R (b\\n c"; process.stdout.write("x"); process.stdin.resume()'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill())
    await once(child.stdout, 'data')
    const facts = readProcess(child.pid ?? 0)
    expect(facts).toMatchObject({ pid: child.pid, parent: process.pid, launcher: false })
    expect(facts?.startTime).toBeGreaterThanOrEqual(readProcess(process.pid)?.startTime ?? Number.POSITIVE_INFINITY)
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 31 - 1])('with the pid %d is unknown', (pid) => {
    expect(readProcess(pid)).toBeUndefined()
  })
})

describe('a connection', () => {
  const socket = new Socket()
  const peer =
    (uid: number, pid = 7): PeerReader =>
    () => ({ pid, uid, gid: 0 })

  it.each([7, 0])('of another account is refused, whether its process is seen or not (pid %d)', (pid) => {
    expect(() => admitPeer(peer(1001, pid), socket, 1000)).toThrow(expect.objectContaining({ code: 'policy.denied' }))
    expect(() => admitPeer(peer(0, pid), socket, 1000)).toThrow('user 0 connected to the daemon of user 1000')
    expect(() => admitPeer(peer(1000, pid), socket, undefined)).toThrow('user 1000')
  })

  it('of whom the kernel says nothing is refused where it was asked', () => {
    expect(() => admitPeer(() => undefined, socket, 1000)).toThrow(expect.objectContaining({ code: 'policy.denied' }))
  })

  it.each([7, 0])('of our own account is taken (pid %d)', (pid) => {
    expect(admitPeer(peer(1000, pid), socket, 1000)).toEqual({ pid, uid: 1000, gid: 0 })
  })

  it('is taken where the platform does not tell: the folder’s mode decides', () => {
    expect(admitPeer(undefined, socket, 1000)).toBeUndefined()
  })
})
