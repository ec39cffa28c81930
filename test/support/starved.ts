/**
 * A process without a descriptor left tries what the daemon does then, and says as JSON what came of it: to dial over TLS and in clear
 * text, and to start a child as the sandbox does. Its limit comes from its starter: `ulimit -n`.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { systemClock } from '../../src/core/clock.ts'
import { Child } from '../../src/gateway/upstream/stdio.ts'
import { createDial } from '../../src/network/dial.ts'
import { readHosts } from '../../src/network/hosts.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(String(error)))

const dial = createDial({
  hosts: readHosts({ 'api.test': '127.0.0.1:9', 'named.test': '127.0.0.1:9' }),
  trust: createSecureContext(),
  timeout: 5000,
  clock: systemClock,
  log: silent,
})
const start = (handed: { handed?: string }): Promise<Child> =>
  new Promise((resolve) =>
    resolve(
      new Child({
        server: 'starved',
        lane: 'lane_1',
        launch: { command: process.execPath, args: ['--version'], cwd: '/', environment: {}, pin: '', ...handed },
        environment: {},
        children: { add() {}, remove() {}, all: () => [] },
        clock: systemClock,
        log: silent,
        cap: 1000,
        scrub: (text) => text,
        onLine: () => true,
        onTooLong() {},
        onFailed() {},
        onStream() {},
        onEnd() {},
      }),
    ),
  )

const held: number[] = []
try {
  for (;;) held.push(openSync('/dev/null', 'r'))
} catch {
  // Now there is none.
}
const said = await Promise.allSettled([dial('api.test', 443, true), dial('named.test', 80, false), start({}), start({ handed: 'x' })])
// Events that come later than the failure have their turn.
for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
for (const descriptor of held) closeSync(descriptor)
const failures = said.map((one) =>
  one.status === 'rejected' ? `${String(Reflect.get(Object(one.reason), 'code'))}: ${String(one.reason)}` : 'none',
)
writeSync(1, JSON.stringify({ held: held.length, failures, uncaught }))
process.exit(0)
