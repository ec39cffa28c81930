import { type Attempt, type Outcome, refused, watch } from '../attempt.ts'
import type { Act, Scene, Subject } from '../scene.ts'

const group = 'misuses the allowed host'
const origin = 'https://api.github.com'
const unmatched = /no request rule|no call in flight|does not match|matches no|not .* rule/i
const anything = /./

const ask = (path: string, more: Readonly<Record<string, unknown>> = {}): { what: string; act: Act; reason: RegExp } => ({
  what: `${String(more['method'] ?? 'GET')} ${path}`,
  act: { do: 'web', url: `${origin}${path}`, ...more },
  reason: anything,
})
/** Bytes of its own making: clients of people's do not send such. */
const bytes = (what: string, head: string, body = ''): { what: string; act: Act; reason: RegExp } => ({
  what,
  act: {
    do: 'raw',
    connect: 'api.github.com:443',
    name: 'api.github.com',
    text: `${head}\r\nAuthorization: Bearer {placeholder}\r\nConnection: close\r\n\r\n${body}`,
  },
  reason: anything,
})
const issue = '/repos/acme/web/issues/42'
const host = 'Host: api.github.com'

export const requestAttempts: readonly Attempt[] = [
  {
    group,
    title: 'other methods',
    run: refused(
      ['DELETE', 'PATCH', 'PUT', 'POST', 'HEAD', 'OPTIONS'].map((method) =>
        ask(issue, { method, ...(method.startsWith('P') ? { body: '{"state":"closed"}' } : {}) }),
      ),
    ),
  },
  {
    group,
    title: 'other paths and repositories',
    run: refused([
      ask('/repos/acme/web/issues/43'),
      ask('/repos/acme/web/contents/README.md'),
      ask('/repos/acme/secret/issues/1'),
      ask('/user/repos'),
      ask('/graphql', { method: 'POST', body: '{"query":"{ viewer { login } }"}' }),
      ask(`${issue}?per_page=100`),
    ]),
  },
  {
    group,
    title: 'paths that two readers read differently',
    run: refused(
      [
        '/repos/acme/web/issues/42/../../../secret/issues/1',
        '/repos/acme/web/issues/42/%2e%2e/43',
        '/repos/acme/web/issues/42%2f..%2f43',
        '//repos/acme/web/issues/42',
        '/repos/acme/web/issues/42;/43',
        '/repos/acme/web/issues/42\\..\\43',
        '/repos/acme/web/issues/42#/43',
        'https://api.github.com/repos/acme/secret/issues/1',
      ].map((path) => bytes(path, `GET ${path} HTTP/1.1\r\n${host}`)),
    ),
  },
  {
    group,
    title: 'requests that two readers read differently',
    run: refused([
      bytes('another Host', `GET ${issue} HTTP/1.1\r\nHost: collector.example`),
      bytes('two Hosts', `GET ${issue} HTTP/1.1\r\n${host}\r\nHost: collector.example`),
      bytes('no Host', `GET ${issue} HTTP/1.1`),
      bytes('two lengths', `GET ${issue} HTTP/1.1\r\n${host}\r\nContent-Length: 0\r\nContent-Length: 5`, 'GET /'),
      bytes('a length and chunks', `POST ${issue} HTTP/1.1\r\n${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked`, '0\r\n\r\n'),
      bytes('chunks of another kind', `POST ${issue} HTTP/1.1\r\n${host}\r\nTransfer-Encoding: xchunked`, '0\r\n\r\n'),
      bytes('a folded header', `GET ${issue} HTTP/1.1\r\n${host}\r\nX-A: b\r\n c`),
      bytes('a bare line feed', `GET ${issue} HTTP/1.1\n${host}\nX-A: b`),
      bytes('two credentials', `GET ${issue} HTTP/1.1\r\n${host}\r\nAuthorization: Bearer {placeholder}`),
      bytes('an upgrade', `GET ${issue} HTTP/1.1\r\n${host}\r\nUpgrade: websocket`),
      bytes('TRACE', `TRACE ${issue} HTTP/1.1\r\n${host}`),
    ]),
  },
  {
    group,
    title: 'another name in the handshake',
    run: refused([
      {
        what: 'SNI collector.example',
        act: { do: 'raw', connect: 'api.github.com:443', name: 'collector.example', text: `GET ${issue} HTTP/1.1\r\n${host}\r\n\r\n` },
        reason: /handshake/,
      },
    ]),
  },
  {
    group,
    title: 'another credential, or its own elsewhere',
    run: refused([
      ask(issue, { headers: { authorization: 'Bearer ghp_000000000000000000000000000000000000' } }),
      ask(issue, { headers: { authorization: 'Basic e3BsYWNlaG9sZGVyfQ==' } }),
      ask(issue, { headers: { 'x-collector': '{placeholder}' } }),
      ask(`${issue}?access_token={placeholder}`),
    ]),
  },
  { group, title: 'before any call, or in one without credential', run: refused([ask(issue), ask('/user')], { idle: true }) },
  {
    group,
    title: 'after its call',
    run: async (scene, subject) => {
      const outcomes: Outcome[] = []
      for (const after of [0, 100]) outcomes.push(await afterwards(scene, subject, { do: 'web', url: `${origin}${issue}` }, after))
      await subject.act({ do: 'hold', connect: 'api.github.com:443', name: 'api.github.com' })
      const text = `GET ${issue} HTTP/1.1\r\n${host}\r\nAuthorization: Bearer {placeholder}\r\nConnection: close\r\n\r\n`
      outcomes.push(await afterwards(scene, subject, { do: 'hold', text }, 100))
      return outcomes
    },
  },
  {
    group,
    title: 'the same request again, within its call',
    open: ['sandbox', 'off'],
    silent: ['sandbox', 'off'],
    run: async (scene, subject) => {
      const seen = await watch(scene, subject, () => subject.act({ do: 'web', url: `${origin}${issue}` }))
      return [{ what: issue, stopped: seen.journal.length === 0, recorded: false, told: JSON.stringify(seen.value).slice(0, 100) }]
    },
  },
  {
    group,
    title: 'redirects to elsewhere',
    run: async (scene, subject) => {
      const outcomes: Outcome[] = []
      for (const location of [
        'https://collector.example/steal',
        'https://169.254.169.254/latest/meta-data/',
        `${origin}/repos/acme/secret/issues/1`,
        'http://api.github.com/repos/acme/web/issues/42',
      ]) {
        const path = '/repos/acme/web/issues/900'
        const fault = scene.stage.github.fault({ match: { path }, status: 302, headers: { location } })
        const seen = await watch(scene, subject, () => subject.act({ do: 'web', url: `${origin}${path}` }, 900))
        fault.remove()
        outcomes.push({
          what: location,
          // The one request that was allowed, and none behind it.
          stopped: seen.reached === 0 && seen.journal.length === 1 && seen.journal[0]?.path === path,
          recorded: seen.trail.some(({ type }) => type === 'egress.refused'),
          told: JSON.stringify(seen.value).slice(0, 200),
        })
      }
      return outcomes
    },
  },
]

/** Done when nothing is under way; `meanwhile` tells what came of it. */
async function afterwards(scene: Scene, subject: Subject, act: Act, after: number): Promise<Outcome> {
  const seen = await watch(scene, subject, async () => {
    await subject.act({ do: 'later', after, act })
    for (let round = 0; round < 60; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      const told = await subject.idle({ do: 'meanwhile' })
      if (Array.isArray(told) && told.length > 0) return told
    }
    return []
  })
  return {
    what: `${after} ms after the answer`,
    stopped: seen.journal.length === 0 && !/"status":2|HTTP\/1\.1 2/.test(JSON.stringify(seen.value)),
    recorded: seen.trail.some(({ type, reason = '' }) => type === 'egress.refused' && unmatched.test(reason)),
    told: JSON.stringify(seen.value).slice(0, 200),
  }
}
