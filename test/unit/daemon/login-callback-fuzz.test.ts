import fc from 'fast-check'
import { expect, it } from 'vitest'
import { listenForLogin } from '../../../src/daemon/login-callback.ts'
import { cases } from '../../support/cases.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { rawBytes, speak } from '../../support/raw-http.ts'

const state = 'a-state-of-forty-three-characters-or-so-1234'
const code = 'the-code-of-a-stranger'
const patience = 60
const never = new AbortController().signal

it('whatever is written to the way back from the browser, only one request with the state ends the login, and none that stands in a body', async () => {
  const good = `GET /callback?state=${state}&code=${code} HTTP/1.1\r\nHost: OWN\r\n\r\n`
  let taken = 0
  const whole = rawBytes({
    starts: [`GET /callback?state=${state}&code=${code} HTTP/1.1`, `GET /callback?state=${state}x&code=${code} HTTP/1.1`],
    oddStarts: [
      `GET /callback?state=${state}&state=${state}&code=${code} HTTP/1.1`,
      `GET /callback?state=&code=${code} HTTP/1.1`,
      `GET /callback/?state=${state} HTTP/1.1`,
      `GET //callback?state=${state} HTTP/1.1`,
      `GET http://127.0.0.1/callback?state=${state} HTTP/1.1`,
      `POST /callback?state=${state} HTTP/1.1`,
      `HEAD /callback?state=${state} HTTP/1.1`,
      'CONNECT 127.0.0.1:1 HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'PRI * HTTP/2.0',
      '',
    ],
    usual: ['Host: OWN'],
    headers: [
      'Host: evil.example.com',
      'Host: OWN',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Transfer-Encoding: chunked',
      'Content-Length: 4',
    ],
    bodies: ['', `state=${state}`],
    inner: `GET /callback?state=${state}&code=inner HTTP/1.1\r\nHost: OWN\r\n\r\n`,
  })
  await fc.assert(
    fc.asyncProperty(whole, async ({ text, loose }) => {
      const callback = await listenForLogin({ path: '/callback' }, new FakeClock())
      const got: (string | null)[] = []
      const waiting = callback.wait(state, never).then(
        (parameters) => void got.push(parameters.get('code')),
        () => undefined,
      )
      try {
        const { host, port } = new URL(callback.redirectUri)
        const answer = await speak(Number(port), text.replaceAll('OWN', host), text === good ? 5000 : patience)
        expect(answer).not.toContain(state)
        expect(answer).not.toContain(code)
        // Another state, or a path that is not the listener's, ends no login.
        if (!new RegExp(`GET /callback\\?state=${state}(&| )`).test(text)) expect(got).toEqual([])
        if (!loose) expect(got).not.toContain('inner')
        expect(answer.match(/^HTTP\/1\.1 200 /gm)?.length ?? 0).toBeLessThanOrEqual(1)
        taken += got.length
        if (got.length > 0)
          expect(await speak(Number(port), `GET /callback?state=${state} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 5000)).toMatch(/ 410 /)
      } finally {
        callback.close()
        await waiting
      }
    }),
    { numRuns: cases(80), examples: [[{ text: good, loose: false }]] },
  )
  expect(taken, 'some logins end well').toBeGreaterThan(0)
})
