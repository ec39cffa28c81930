import { createEgress } from '../../src/egress/egress.ts'
import { systemClock } from '../../src/core/clock.ts'
import { LiveSearch } from '../../src/core/live-search.ts'
import { Secret } from '../../src/core/secret.ts'
import { createNetwork } from '../../src/network/network.ts'
import { openAudit } from '../../src/audit/log.ts'

/** jit's egress in a process of its own, with one lane and one call in flight. `egress-jit.ts FOLDER UPSTREAM-PORT PLACEHOLDER TOKEN` */
const [, , folder = '', port = '', placeholder = '', token = ''] = process.argv
const log = { debug() {}, info() {}, warn() {}, error() {} }
const clock = systemClock
const network = createNetwork(
  { hosts: { [`localhost:${port}`]: `127.0.0.1:${port}` }, ca: ['upstream.pem'], timeout: 5000 },
  { baseFolder: folder, clock, log },
)
const audit = openAudit({ folder: `${folder}/audit`, sync: 'batch', segmentBytes: 64 * 1024 * 1024, clock, log })
const secret = new Secret(token)
const secrets = { list: [secret], version: 1 }
const { scrubber } = new LiveSearch(secrets)
const egress = await createEgress({
  folder,
  network,
  audit,
  clock,
  log,
  scrubber,
  liveSecrets: () => secrets.list,
  secretsVersion: () => 1,
})
await egress.listen()
const origin = `https://localhost:${port}`
const lane = await egress.openLane({ lane: 'lane_0', server: 'github', placeholder, origins: new Set([origin]), open: new Set() })
const path = ['repos', 'acme', 'web', 'issues', '42'].map((value) => ({ kind: 'literal', value, ignoreCase: false }) as const)
lane.begin({
  call: 'call_1',
  lease: {
    id: 'lease_1',
    provider: 'acme',
    scope: {},
    partition: 'acme/web',
    secrets: { token: secret },
    fingerprint: '',
    upstreamHash: '',
    mintedAt: 0,
    expiresAt: Number.MAX_SAFE_INTEGER,
    signal: new AbortController().signal,
    fresh: false,
  },
  requests: [{ text: 'GET /repos/acme/web/issues/42', method: 'GET', origin, segments: path, query: [] }],
  current: () => true,
  seen: new Map(),
  onRequest: () => undefined,
})
console.log(JSON.stringify({ proxy: lane.proxyUrl, ca: lane.caFile }))
