import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { ask, type Bench, call, eventually, openBench, origin, placeholder, tunnel } from './support.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench(systemClock, 5000, { perLane: 2, waiting: 3 })
})
afterAll(() => bench.close())

/** Connected, and silent: to an address, or to the path of a socket. */
async function idle(to: string): Promise<Socket> {
  const socket = URL.canParse(to) ? connect(Number(new URL(to).port), '127.0.0.1') : connect(to)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

it('connections that say nothing to the proxy keep no lane out: the oldest goes', async () => {
  const lane = await bench.lane()
  const silent = [await idle(lane.proxyUrl), await idle(lane.proxyUrl), await idle(lane.proxyUrl)]
  const own = await tunnel(lane)
  onTestFinished(() => void own.destroy())
  silent[0]?.resume()
  await eventually(() => silent[0]?.closed === true)
  expect(silent.map((socket) => socket.closed)).toEqual([true, false, false])
})

it('at a sandbox’s own proxy no more say nothing than a lane has connections: they are the daemon’s files too', async () => {
  const doors = mkdtempSync(join(tmpdir(), 'jit-crowd-'))
  onTestFinished(() => rmSync(doors, { recursive: true, force: true }))
  const lane = await bench.lane({ doors })
  const proxy = join(doors, new URL(lane.proxyUrl).port)
  const silent = [await idle(proxy), await idle(proxy), await idle(proxy)]
  silent[0]?.resume()
  await eventually(() => silent[0]?.closed === true)
  expect(silent.map((socket) => socket.closed)).toEqual([true, false, false])
})

it('a lane that has all its connections takes none of another lane’s, and none of those that come in', async () => {
  const [greedy, modest] = [await bench.lane(), await bench.lane()]
  const taken = [await tunnel(greedy), await tunnel(greedy)]
  await expect(tunnel(greedy)).rejects.toThrow(/^HTTP\/1\.1 503/)
  taken.push(await tunnel(modest), await tunnel(modest))
  // A lane's own do not make room for strangers.
  for (let count = 0; count < 4; count += 1) await idle(greedy.proxyUrl)
  expect(taken.map((socket) => socket.closed)).toEqual([false, false, false, false])
  for (const socket of taken) socket.destroy()
})

it('connections that say nothing to a lane’s base URL keep the lane out of nothing, and cut nothing of its own', async () => {
  const path = '/repos/acme/web'
  const lane = await bench.lane({ endpoint: { upstream: origin, prefix: '' } })
  lane.begin(call([`GET ${path}`]))
  const url = lane.endpointUrl ?? ''
  const { host } = new URL(url)
  const own = await idle(url)
  const asking = { path, host, headers: { host, authorization: `Bearer ${placeholder}` }, socket: own }
  expect((await ask(lane, asking)).status).toBe(200)
  const silent = [await idle(url), await idle(url), await idle(url)]
  for (const socket of silent) socket.resume()
  await eventually(() => silent[0]?.closed === true && silent[1]?.closed === true)
  expect(silent[2]?.closed).toBe(false)
  expect((await ask(lane, asking)).status).toBe(200)
  const own2 = await idle(url)
  expect((await ask(lane, { ...asking, socket: own2 })).status).toBe(200)
})
