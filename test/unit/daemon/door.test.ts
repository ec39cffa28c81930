import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { frame, frameReader } from '../../../src/api/frames.js'
import { JitError } from '../../../src/core/errors.ts'
import { Door, type DoorDeps } from '../../../src/daemon/door.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { silent } from './parts.ts'

const limits = { connections: 2, helloWithin: 10_000, lingering: 1000, refused: 1 }

interface Guest {
  readonly socket: Socket
  /** What the daemon said until it closed. */
  readonly said: Promise<string>
}

/** A door on a socket, and what was let in; a connection that says anything is welcomed. */
async function open(admit: DoorDeps['admit'] = () => undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'jit-door-'))
  const clock = new FakeClock()
  const server = createServer()
  const accepted: Socket[] = []
  const accept = (socket: Socket): void => {
    accepted.push(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', () => door.welcomed(socket))
  }
  const door = new Door({ clock, log: silent, admit, accept }, limits)
  door.guard(server)
  server.listen(join(folder, 'connect.sock'))
  await once(server, 'listening')
  const guests: Socket[] = []
  onTestFinished(() => {
    for (const socket of guests) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const come = async (): Promise<Guest> => {
    const socket = connect({ path: join(folder, 'connect.sock'), allowHalfOpen: true })
    guests.push(socket)
    const said = new Promise<string>((resolve) => {
      let text = ''
      const read = frameReader((_, payload) => (text += payload.toString()))
      socket.on('data', read)
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(text))
    })
    await Promise.all([once(socket, 'connect'), once(server, 'connection')])
    return { socket, said }
  }
  return { clock, server, accepted, come }
}

it('one connection too many is told why, and the next one comes in when another has left', async () => {
  const { accepted, come } = await open()
  const first = await come()
  await come()
  const third = await come()
  third.socket.on('end', () => third.socket.end())
  third.socket.write(frame(0, 'hello'))
  expect(JSON.parse(await third.said)).toMatchObject({
    error: { code: 'daemon.busy', message: expect.stringContaining('2 connections'), hint: expect.any(String), rpc: 1204 },
  })
  expect(accepted).toHaveLength(2)
  const [here] = accepted
  first.socket.destroy()
  if (here !== undefined && !here.closed) await once(here, 'close')
  await come()
  expect(accepted).toHaveLength(3)
})

it('one that says no hello in time is closed; one that did stays', async () => {
  const { clock, accepted, come } = await open()
  const mute = await come()
  const shim = await come()
  shim.socket.write(frame(0, 'hello'))
  await expect.poll(() => accepted[1]?.bytesRead).toBeGreaterThan(0)
  await clock.advance(9999)
  expect(accepted.map((socket) => socket.destroyed)).toEqual([false, false])
  await clock.advance(1)
  expect(accepted.map((socket) => socket.destroyed)).toEqual([true, false])
  mute.socket.end()
  expect(await mute.said).toBe('')
  expect(clock.pending).toBe(0)
})

it('one that is refused and stays is closed, and a crowd of them is not spoken to', async () => {
  const { clock, server, come } = await open(() => {
    throw new JitError('policy.denied', 'another account')
  })
  const guests = [await come(), await come(), await come()]
  const dropped = once(server, 'drop')
  const last = connect(String(server.address()))
  last.on('error', () => undefined)
  await dropped
  last.destroy()
  await clock.advance(1000)
  for (const { socket, said } of guests) {
    socket.end()
    expect(JSON.parse(await said)).toMatchObject({ error: { code: 'policy.denied' } })
  }
  await expect.poll(() => clock.pending).toBe(0)
})
