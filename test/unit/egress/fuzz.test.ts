import type { Socket } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cases } from '../../support/cases.ts'
import { type Bench, call, placeholder, secure, shareBench, token } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const parts = [
  'GET /repos/acme/web HTTP/1.1',
  'GET /repos/acme/secret HTTP/1.1',
  'DELETE /repos/acme/web HTTP/1.1',
  'GET //repos/acme/web HTTP/1.1',
  'GET /repos/acme/web/../secret HTTP/1.1',
  'GET https://other.test/repos/acme/web HTTP/1.1',
  'Host: api.test',
  'Host: other.test',
  `Authorization: Bearer ${placeholder}`,
  `X-Other: ${placeholder}`,
  'Content-Length: 4',
  'Content-Length: 0',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: xchunked',
  'Connection: close',
  'Expect: 100-continue',
  'Upgrade: websocket',
  '',
  '0',
  'abcd',
]

it('whatever a server writes to egress, its call’s token goes into requests that the call’s rules allow, and nowhere else', async () => {
  const line = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...parts) },
    { weight: 1, arbitrary: fc.string({ maxLength: 20, unit: 'binary' }) },
  )
  const lines = fc.array(fc.tuple(line, fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', ' \r\n', '\0\r\n')), { maxLength: 6 })
  const start = fc.constantFrom('', ...parts.filter((text) => text.endsWith('HTTP/1.1')))
  const whole = fc.tuple(start, lines).map(([opening, more]) => {
    const first = opening === '' ? '' : `${opening}\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\n`
    return `${first}${more.map(([text, end]) => text + end).join('')}\r\n\r\n`
  })
  const good = `GET /repos/acme/web HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\nConnection: close\r\n\r\n`
  let passed = 0
  await fc.assert(
    fc.asyncProperty(whole, async (bytes) => {
      const before = bench.upstream.journal.length
      const lane = await bench.lane()
      const end = lane.begin(call(['GET /repos/acme/web']))
      try {
        const socket = await secure(lane)
        const answer = await sendAll(socket, bytes, bytes === good ? 5000 : 40)
        expect(answer).not.toContain(token)
        for (const { method, url, rawHeaders, body } of bench.upstream.journal.slice(before)) {
          passed += 1
          expect([method, url]).toEqual(['GET', '/repos/acme/web'])
          expect(body).toBe('')
          const carrying = rawHeaders.flatMap((text, index) => (text.includes(token) ? [rawHeaders[index - 1]?.toLowerCase()] : []))
          expect(carrying.every((name) => name === 'authorization' || name === 'x-other')).toBe(true)
        }
      } finally {
        end()
        lane.close()
      }
    }),
    { numRuns: cases(60), examples: [[good]] },
  )
  expect(passed, 'some are let through').toBeGreaterThan(0)
})

/** All that comes back: a client that has said everything and reads on. What is not answered by then waits for more, and is given up. */
function sendAll(socket: Socket, bytes: string, patience: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const done = (): void => {
      socket.destroy()
      resolve(text)
    }
    socket.setTimeout(patience, done)
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.once('close', done).once('error', done)
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}
