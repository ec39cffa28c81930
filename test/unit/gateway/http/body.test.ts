import { Readable } from 'node:stream'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { JitError } from '../../../../src/core/errors.ts'
import { Bodies } from '../../../../src/gateway/http/body.ts'
import { Gate } from '../../../../src/gateway/http/gate.ts'

/** A request that sends this body. */
function requestOf(body: string): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  Readable.from([body])
    .on('data', (chunk: string) => request.push(Buffer.from(chunk)))
    .on('end', () => request.push(null))
  return request
}

const read = (bodies: Bodies, owner: string, body: string): Promise<Buffer | JitError> =>
  new Promise((settle) => bodies.read(requestOf(body), owner, 100, settle))

describe('bodies that are held', () => {
  it('of one token leave room for those of others, and end with their release', async () => {
    const bodies = new Bodies({ bodies: 20, bodiesOfToken: 10 })
    const first = await read(bodies, 'greedy', 'x'.repeat(10))
    expect(await read(bodies, 'greedy', 'x')).toMatchObject({ code: 'daemon.busy' })
    expect(await read(bodies, 'other', 'y'.repeat(10))).toEqual(Buffer.from('y'.repeat(10)))
    expect(await read(bodies, 'third', 'z')).toMatchObject({ code: 'daemon.busy' })
    if (first instanceof JitError) throw first
    bodies.release(first, 'greedy')
    expect(await read(bodies, 'greedy', 'x')).toEqual(Buffer.from('x'))
  })
})

describe('messages that wait for a server', () => {
  it('are so many, and no more until it reads', () => {
    const gate = new Gate()
    let ran = 0
    gate.set(false)
    for (let sent = 0; sent < 1024; sent += 1) {
      gate.check()
      gate.pass(
        () => (ran += 1),
        () => undefined,
      )
    }
    expect(() => gate.check()).toThrow('wait for the server already')
    gate.set(true)
    expect(ran).toBe(1024)
    expect(() => gate.check()).not.toThrow()
  })
})
