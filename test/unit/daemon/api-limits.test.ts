import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify from 'fastify'
import { expect, it, onTestFinished } from 'vitest'
import { toJitError } from '../../../src/core/errors.ts'
import { apiLimits, type ApiLimits, limitConnections, serverOptions } from '../../../src/daemon/api-limits.ts'

const get = 'GET / HTTP/1.1\r\nHost: jit\r\n\r\n'

/** An API of one route under `limits`; `come` connects and collects what is answered until the end. */
async function api(limits: Partial<ApiLimits>) {
  const folder = mkdtempSync(join(tmpdir(), 'jit-api-'))
  const all = { ...apiLimits, check: 20, ...limits }
  const app = fastify({ forceCloseConnections: true, ...serverOptions(all) })
  limitConnections(app, all)
  app.setErrorHandler((error, _, reply) => void reply.status(toJitError(error).httpStatus).send(toJitError(error).toBody()))
  app.get('/', () => 'here')
  app.post('/', () => 'taken')
  const path = join(folder, 'api.sock')
  await app.listen({ path })
  const clients: Socket[] = []
  onTestFinished(async () => {
    for (const socket of clients) socket.destroy()
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return async (words = '') => {
    const socket = connect(path)
    clients.push(socket)
    const ended = new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(text))
    })
    await once(socket, 'connect')
    if (words !== '') socket.write(words)
    return { socket, ended }
  }
}

it('a connection that says nothing is closed', async () => {
  const come = await api({ head: 50, request: 100 })
  await (
    await come()
  ).ended
})

it('a body that does not come is not waited for', async () => {
  const come = await api({ head: 50, request: 100 })
  const { ended } = await come('POST / HTTP/1.1\r\nHost: jit\r\nContent-Length: 9\r\n\r\n')
  expect(await ended).toContain(' 408 ')
})

it('a connection that is done with its request is closed after a while', async () => {
  const come = await api({ idle: 50 })
  expect(await (await come(get)).ended).toContain('here')
})

it('a request on one connection too many is told so, and taken when another has left', async () => {
  const come = await api({ connections: 1 })
  const { socket } = await come(get)
  await once(socket, 'data')
  const answer = await (await come(get)).ended
  expect(answer).toContain(' 503 ')
  expect(answer).toContain('daemon.busy')
  socket.destroy()
  await expect
    .poll(async () => {
      const next = await come(get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
      return next.ended
    })
    .toContain('here')
})
