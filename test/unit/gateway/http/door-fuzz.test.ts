import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/config/parse.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { JitError } from '../../../../src/core/errors.ts'
import { HttpDoor } from '../../../../src/gateway/http/door.ts'
import { httpLimits } from '../../../../src/gateway/http/limits.ts'
import { Tokens } from '../../../../src/gateway/http/tokens.ts'
import { cases } from '../../../support/cases.ts'
import { MemoryAudit } from '../../../support/memory-audit.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { type RawBytes, rawBytes, speak } from '../../../support/raw-http.ts'
import { policyOf } from '../../policy/support.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const token = `jit_mcp_${'a'.repeat(43)}`
const patience = 100
/** Servers that a session was opened with, in order. */
const opened: string[] = []
let door: HttpDoor
let port: number

beforeAll(async () => {
  const tokens = new Tokens({ store: new MemoryStore(), clock: systemClock, log, onEnd: () => undefined })
  const hash = createHash('sha256').update(token).digest('hex')
  tokens.add({ name: 'fuzz', hash, servers: ['one', 'inner'], addedAt: 0, expiresAt: 0 }, () => undefined)
  const servers = ['one', 'inner', 'hidden'].map((name) => `  ${name}: { run: [node, x], allow: [say] }`).join('\n')
  const { config } = parseConfig('jit.yaml', `version: 1\nservers:\n${servers}\n`)
  const policy = policyOf(servers)
  door = new HttpDoor(
    {
      config: () => config,
      policy: () => policy,
      audit: new MemoryAudit(),
      clock: systemClock,
      log,
      tokens,
      // Nothing beyond is wanted here: whoever gets so far was let in.
      open(_, { server }) {
        opened.push(server)
        throw new JitError('server.unavailable', 'the test has no servers')
      },
      leave: () => undefined,
      enter: () => ({
        principal: { human: 'h', agent: { name: 'a', pid: 1, startTime: 0, evidence: 'token' }, session: 's' },
        leave: () => undefined,
      }),
    },
    { ...httpLimits, connections: 64 },
  )
  await door.listen(0)
  port = Number(new URL(door.address).port)
})
afterAll(() => door.close(new JitError('cancelled', 'the test is over')))

const hello = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
})

function given(credential: string): fc.Arbitrary<RawBytes> {
  const own = `Host: 127.0.0.1:${port}`
  const type = 'Content-Type: application/json'
  return rawBytes({
    starts: ['POST /mcp/one HTTP/1.1'],
    oddStarts: [
      'POST /mcp/hidden HTTP/1.1',
      'GET /mcp/one HTTP/1.1',
      'GET /mcp/one/sse HTTP/1.1',
      'DELETE /mcp/one HTTP/1.1',
      'POST /mcp/one?session=x HTTP/1.1',
      'POST //mcp/one HTTP/1.1',
      'POST /mcp/../mcp/hidden HTTP/1.1',
      `POST http://127.0.0.1:${port}/mcp/one HTTP/1.1`,
      'POST /mcp/one HTTP/1.0',
      'CONNECT 127.0.0.1:1 HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'PRI * HTTP/2.0',
      '',
    ],
    usual: [own, credential, type],
    headers: [
      'Host: evil.example.com',
      'Origin: https://evil.example.com',
      'Authorization: Bearer jit_mcp_',
      'Mcp-Session-Id: x',
      'MCP-Protocol-Version: 2026-07-28',
      'Content-Type: text/plain',
      'Content-Encoding: gzip',
      'Transfer-Encoding: chunked',
      'Connection: keep-alive, Upgrade',
      'Cookie: token=x',
    ],
    bodies: ['', hello, '{', `[${hello}]`],
    inner: `POST /mcp/inner HTTP/1.1\r\n${own}\r\n${credential}\r\n${type}\r\nContent-Length: ${hello.length}\r\n\r\n${hello}`,
  })
}

it('whatever is written to the door, a token reaches its own servers alone, and no request that stands in a body is one', async () => {
  const whole = given(`Authorization: Bearer ${token}`)
  const head = `POST /mcp/one HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json`
  const good = `${head}\r\nConnection: close\r\nContent-Length: ${hello.length}\r\n\r\n${hello}`
  let served = 0
  await fc.assert(
    fc.asyncProperty(whole, async ({ text, loose }) => {
      opened.length = 0
      const answer = await speak(port, text, text === good ? 5000 : patience)
      served += opened.length
      expect(answer).not.toContain(token)
      expect(opened).not.toContain('hidden')
      if (!loose) expect(opened).not.toContain('inner')
      expect(opened.length).toBeLessThanOrEqual(text.split(token).length - 1)
      expect(answer === '' || /^HTTP\/1\.1 \d{3} /.test(answer)).toBe(true)
    }),
    { numRuns: cases(60), examples: [[{ text: good, loose: false }]] },
  )
  expect(served, 'some are let through').toBeGreaterThan(0)
})

it('without a token nothing is let in, however it is said', async () => {
  const whole = given(`Authorization: Bearer jit_mcp_${'b'.repeat(43)}`)
  await fc.assert(
    fc.asyncProperty(whole, async ({ text }) => {
      opened.length = 0
      const answer = await speak(port, text, patience)
      expect(opened).toEqual([])
      expect(answer).not.toMatch(/^HTTP\/1\.1 (2|3|404)/m)
    }),
    { numRuns: cases(30) },
  )
})
