import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cases } from '../../support/cases.ts'
import { type RawBytes, rawBytes, speak } from '../../support/raw-http.ts'
import { type Bench, call, origin, placeholder, shareBench, token } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const credential = `Authorization: Bearer ${placeholder}`
const admitted = ['GET /repos/acme/web', 'GET /repos/acme/inner', 'POST /repos/acme/web/issues']
/** Milliseconds of silence after which a connection is given up; what it left under way is known by the number in its path. */
const patience = 100

it('whatever is written to a lane’s base URL, only requests with the placeholder that a rule admits go on, and none that stands in a body', async () => {
  const lane = await bench.lane({ endpoint: { upstream: origin, prefix: '/api' } })
  const { host, port } = new URL(lane.endpointUrl ?? '')
  const own = `Host: ${host}`
  const good = `GET /api/repos/acme/web HTTP/1.1\r\n${own}\r\n${credential}\r\nConnection: close\r\n\r\n`
  const given = rawBytes({
    starts: ['GET /api/repos/acme/web HTTP/1.1', 'POST /api/repos/acme/web/issues HTTP/1.1', 'POST /api/repos/acme/web/issues HTTP/1.1'],
    oddStarts: [
      'GET /api/repos/acme/secret HTTP/1.1',
      'DELETE /api/repos/acme/web HTTP/1.1',
      'GET /api//repos/acme/web HTTP/1.1',
      'GET /api/../repos/acme/web HTTP/1.1',
      'GET /api/repos/acme/%2e%2e/acme/web HTTP/1.1',
      'GET /repos/acme/web HTTP/1.1',
      `GET http://${host}/api/repos/acme/web HTTP/1.1`,
      'GET https://api.test/repos/acme/web HTTP/1.1',
      'CONNECT api.test:443 HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'GET /api/repos/acme/web HTTP/1.0',
      'PRI * HTTP/2.0',
      '\x16\x03\x01\x00',
      '',
    ],
    usual: [own, credential],
    headers: [
      'Host: api.test',
      'Host: localhost',
      'Authorization: Bearer ghs_another0another0another0another0anoth',
      'Authorization: Basic eDp5',
      `X-Other: ${placeholder}`,
      `Cookie: a=${placeholder}`,
      'Connection: close, Authorization',
      'Transfer-Encoding: chunked',
      'Content-Length: 4',
      'X-HTTP-Method-Override: DELETE',
      'Proxy-Authorization: Basic bGFuZTpub25jZQ==',
    ],
    bodies: ['', '{}', '{"title":"x"}'],
    inner: `GET /api/repos/acme/inner HTTP/1.1\r\n${own}\r\n${credential}\r\n\r\n`,
  })
  const tried: RawBytes[] = []
  await fc.assert(
    fc.asyncProperty(given, async (bytes) => {
      const number = tried.push(bytes) - 1
      const mark = (text: string): string => text.replaceAll('/acme/', `/${number}/`)
      const end = lane.begin(call(admitted.map(mark)))
      const answer = await speak(Number(port), mark(bytes.text), bytes.text === good ? 5000 : patience)
      end()
      expect(answer).not.toContain(token)
    }),
    { numRuns: cases(60), examples: [[{ text: good, loose: false }]] },
  )
  lane.close()
  for (const { method, url, rawHeaders } of bench.upstream.journal) {
    const number = Number(/^\/repos\/(\d+)\//.exec(url)?.[1])
    const bytes = tried[number]
    expect(admitted).toContain(`${method} ${url.replace(`/${number}/`, '/acme/')}`)
    expect([bytes?.text, bytes?.loose === true || !url.endsWith('/inner')]).toEqual([bytes?.text, true])
    const carrying = rawHeaders.flatMap((value, index) => (value.includes(token) ? [rawHeaders[index - 1]?.toLowerCase()] : []))
    expect(carrying.length).toBeGreaterThan(0)
    expect(carrying.every((name) => name === 'authorization' || name === 'x-other')).toBe(true)
    expect(rawHeaders.join('\n')).not.toContain(placeholder)
    const sent = bench.upstream.journal.filter((one) => one.url.startsWith(`/repos/${number}/`)).length
    expect(sent).toBeLessThanOrEqual((bytes?.text.split(placeholder).length ?? 1) - 1)
  }
  expect(bench.upstream.journal.length, 'some are let through').toBeGreaterThan(0)
  expect(new Set(bench.upstream.journal.map(({ url }) => url)).size, 'some are refused').toBeLessThan(tried.length)
})

it('without the placeholder, or with nobody calling, a lane’s base URL serves nothing', async () => {
  const lane = await bench.lane({ endpoint: { upstream: origin, prefix: '' } })
  const { host, port } = new URL(lane.endpointUrl ?? '')
  const given = rawBytes({
    starts: ['GET /repos/acme/web HTTP/1.1', 'POST /repos/acme/web/issues HTTP/1.1'],
    usual: [`Host: ${host}`, 'Authorization: Bearer ghs_another0another0another0another0anoth'],
    headers: ['Authorization: Bearer', `Authorization: Bearer ${placeholder.slice(0, -1)}`, `X-Api-Key: ${placeholder.toUpperCase()}`],
    bodies: ['', '{}'],
    inner: `GET /repos/acme/web HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  })
  await fc.assert(
    fc.asyncProperty(given, fc.boolean(), async ({ text }, idle) => {
      const end = idle ? () => undefined : lane.begin(call(admitted))
      const said = idle ? text.replaceAll('ghs_another0another0another0another0anoth', placeholder) : text
      const answer = await speak(Number(port), said, patience)
      end()
      expect(bench.upstream.journal).toEqual([])
      expect(answer).not.toMatch(/^HTTP\/1\.1 2/m)
    }),
    { numRuns: cases(20) },
  )
  lane.close()
})
