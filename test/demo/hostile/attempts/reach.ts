import { type Attempt, type Outcome, refused, watch } from '../attempt.ts'
import { type Act, elsewhere } from '../scene.ts'

const group = 'goes elsewhere'
const unlisted = /the host is not among those/
const unnamed = /names no host and port/

const connect = (target: string, name = 'x.test'): { what: string; act: Act } => ({
  what: `CONNECT ${target}`,
  act: { do: 'raw', connect: target, name },
})
const tunnels = (targets: readonly string[], reason: RegExp): Parameters<typeof refused>[0] =>
  targets.map((target) => ({ ...connect(target), reason }))

/** Dialled only in a network of the sandbox's own; see `dial` of the server. */
const dialled: readonly { readonly host: string; readonly port: number; readonly udp?: boolean }[] = [
  { host: '169.254.169.254', port: 80 },
  { host: '100.100.100.200', port: 80 },
  { host: '203.0.113.7', port: 443 },
  { host: '::ffff:169.254.169.254', port: 80 },
  { host: 'fd00:ec2::254', port: 80 },
  { host: '10.0.0.1', port: 22 },
  { host: '203.0.113.53', port: 53, udp: true },
  { host: '2001:db8::7', port: 443 },
]

export const reachAttempts: readonly Attempt[] = [
  {
    group,
    title: 'other hosts, and names that look alike',
    run: refused([
      ...tunnels(['collector.example:443', 'api.github.com.collector.example:443', 'api.github.com:22'], unlisted),
      ...tunnels(['api.github.com@collector.example:443'], unnamed),
      { what: 'fetch', act: { do: 'web', url: 'https://collector.example/steal' }, reason: unlisted },
    ]),
  },
  {
    group,
    title: 'metadata services, through the broker',
    run: refused(
      tunnels(
        [...elsewhere.metadata, 'metadata.google.internal'].map((host) => `${host}:443`),
        unlisted,
      ),
    ),
  },
  {
    group,
    title: 'raw addresses, through the broker',
    run: refused(tunnels([...elsewhere.addresses.map((host) => `${host}:443`), '127.0.0.1:22', '[::1]:443', 'localhost:443'], unlisted)),
  },
  {
    group,
    title: 'IPv6-mapped addresses, through the broker',
    run: refused([
      ...tunnels(
        elsewhere.mapped.map((host) => `${host}:443`),
        /the host is not among those|names no host and port/,
      ),
    ]),
  },
  {
    group,
    title: 'addresses in octal, hex and decimal',
    run: refused(tunnels(['2852039166:443', '0251.0376.0251.0376:443', '0xa9fea9fe:443', '169.254.43518:443'], unnamed)),
  },
  {
    group,
    title: 'in clear text, through the broker',
    run: refused(
      ['http://169.254.169.254/latest/meta-data/', 'http://api.github.com/repos/acme/web/issues/42'].map((url) => ({
        what: url,
        act: {
          do: 'raw',
          clear: `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer {placeholder}\r\nConnection: close\r\n\r\n`,
        },
        reason: /wrong or missing proxy credentials|in clear text/,
      })),
    ),
  },
  {
    group,
    title: 'another lane’s way out',
    run: refused(
      ['lane_0000000000000000:guess', 'lane_0000000000000000:'].map((nonce) => ({
        what: nonce,
        act: { do: 'raw', connect: 'api.github.com:443', name: 'api.github.com', nonce },
        reason: /wrong or missing proxy credentials/,
      })),
    ),
  },
  {
    group,
    title: 'addresses off this machine, by itself',
    places: ['sandbox'],
    silent: ['sandbox'],
    run: async (scene, subject) => {
      const outcomes: Outcome[] = []
      for (const { host, port, udp = false } of dialled) {
        const told = await subject.act({ do: 'dial', host, port, udp, machine: scene.network })
        const text = JSON.stringify(told)
        // Where it did not dare, nothing is known.
        outcomes.push({
          what: `${host}:${port}`,
          stopped: /"error":"(ENETUNREACH|EADDRNOTAVAIL|EINVAL)"/.test(text),
          recorded: false,
          told: text,
        })
      }
      return outcomes
    },
  },
  {
    group,
    title: 'services of this machine, by itself',
    open: ['off'],
    silent: ['sandbox', 'off'],
    run: async (scene, subject) => {
      const act = { do: 'dial', host: '127.0.0.1', port: scene.trap.port, machine: scene.network }
      const seen = await watch(scene, subject, () => subject.act(act))
      return [{ what: `127.0.0.1:${scene.trap.port}`, stopped: seen.reached === 0, recorded: false, told: JSON.stringify(seen.value) }]
    },
  },
]
