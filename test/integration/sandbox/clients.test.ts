import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { injectedEnvironment } from '../../../src/gateway/inject/environment.ts'
import { injection } from '../../../src/config/schema.ts'
import { nobody } from '../../../src/gateway/lane/boxed.ts'
import type { Box } from '../../../src/sandbox/types.ts'
import { type Bench, call, openBench, placeholder, token } from '../../unit/egress/support.ts'
import { hasSandbox, hasTool, openPlayground, type Playground, type Ran, runBoxed } from './support.ts'

const url = 'https://api.test/repos/acme/web'
const python = `import os, urllib.request
request = urllib.request.Request("${url}", headers={"Authorization": "Bearer " + os.environ["API_TOKEN"]})
print(urllib.request.urlopen(request, timeout=20).read().decode())
`
const go = `package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
	request, _ := http.NewRequest("GET", "${url}", nil)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("API_TOKEN"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil { panic(err) }
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(string(body))
}
`
const java = `import java.net.URI; import java.net.http.*;
class Ask { public static void main(String[] args) throws Exception {
  var request = HttpRequest.newBuilder(URI.create("${url}")).header("Authorization", "Bearer " + System.getenv("API_TOKEN")).build();
  System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
} }
`
const headers = 'headers: { authorization: `Bearer ${process.env.API_TOKEN}` }'
const fetching = `console.log(await (await fetch('${url}', { ${headers} })).text())`
/** As the AWS SDK and superagent do it: an agent of their own reads no proxy variables. */
const ownAgent = `import { Agent, get } from 'node:https'
get('${url}', { agent: new Agent({ keepAlive: false }), ${headers} }, (answer) => answer.on('data', (part) => process.stdout.write(part)))`

const usable = await hasSandbox('tests of clients in the sandbox')
const hasPython = usable && hasTool('/usr/bin/python3', ['--version'], 'tests of Python in the sandbox')
const hasGo = usable && hasTool('go', ['version'], 'tests of Go in the sandbox')
const hasJava = usable && hasTool('javac', ['-version'], 'tests of Java in the sandbox')

/** Each must get the credential of the call in flight, whether it knows of proxies or not. */
describe.skipIf(!usable)('in the sandbox', () => {
  let bench: Bench
  let playground: Playground
  let programs: string

  beforeAll(async () => {
    bench = await openBench()
    playground = openPlayground()
    programs = join(playground.folder, 'programs')
    mkdirSync(programs)
    const files = { 'fetch.mjs': fetching, 'agent.mjs': ownAgent, 'ask.py': python, 'ask.go': go, 'Ask.java': java }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(programs, name), text)
    if (hasGo)
      execFileSync('go', ['build', '-o', join(programs, 'ask'), join(programs, 'ask.go')], {
        env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOPROXY: 'off' },
      })
    if (hasJava) execFileSync('javac', ['-d', programs, join(programs, 'Ask.java')])
  }, 180_000)
  afterAll(async () => {
    await bench.close()
    playground.close()
  })

  const clients = [
    { name: 'fetch of Node', present: usable, command: process.execPath, args: ['fetch.mjs'] },
    { name: 'an agent of Node’s own', present: usable, command: process.execPath, args: ['agent.mjs'] },
    { name: 'urllib of Python', present: hasPython, command: '/usr/bin/python3', args: ['ask.py'] },
    { name: 'net/http of Go', present: hasGo, command: 'ask', args: [] },
    { name: 'HttpClient of Java', present: hasJava, command: '/usr/bin/java', args: ['-cp', '.', 'Ask'] },
  ]

  const ask = async (
    { command, args }: { command: string; args: readonly string[] },
    lane: LaneNetwork,
    box: Box,
    keep: (name: string) => boolean,
  ): Promise<Ran> => {
    const injected = injectedEnvironment(injection.parse({ env: 'API_TOKEN' }), { ...nobody(), placeholder }, lane, undefined)
    const environment = Object.fromEntries(Object.entries(injected).filter(([name]) => keep(name)))
    return runBoxed(box, {
      command: command === 'ask' ? join(programs, 'ask') : command,
      args: args.map((arg) => (arg.includes('.') && arg !== '.' ? join(programs, arg) : arg)),
      cwd: programs,
      environment,
      network: lane,
      origins: ['https://api.test'],
    })
  }

  describe.each([
    { variables: 'with proxy variables', keep: () => true },
    { variables: 'without proxy variables', keep: (name: string) => !/proxy/i.test(name) },
  ])('$variables', ({ keep }) => {
    for (const client of clients) {
      it.skipIf(!client.present)(`${client.name} reaches the allowed host, with the credential of its call`, async () => {
        bench.upstream.journal.length = 0
        const box = await playground.open({ readable: [programs] })
        const lane = await openLane(box)
        const end = lane.begin(call(['GET /repos/acme/web']))
        const ran = await ask(client, lane, box, keep)
        end()
        lane.close()
        expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('{"ok":true}') })
        expect(bench.upstream.journal.map(({ headers: { authorization } }) => authorization)).toEqual([`Bearer ${token}`])
        expect(ran.stdout + ran.stderr).not.toContain(token)
      })

      it.skipIf(!client.present)(`${client.name} gets nothing when no call is in flight`, async () => {
        bench.upstream.journal.length = 0
        const box = await playground.open({ readable: [programs] })
        const lane = await openLane(box)
        const ran = await ask(client, lane, box, keep)
        lane.close()
        expect(ran.stdout).not.toContain('{"ok":true}')
        expect(bench.upstream.journal).toEqual([])
      })
    }
  })

  it('the listener for proxies knows this lane’s nonce only', async () => {
    const box = await playground.open()
    const [own, other] = [await openLane(box), await openLane(await playground.open())]
    const { username, password } = new URL(other.proxyUrl)
    const script = `const { connect } = await import('node:net'); const s = connect(Number(process.env.PORT), '127.0.0.1'); s.end('CONNECT api.test:443 HTTP/1.1\\r\\nHost: api.test:443\\r\\nProxy-Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}\\r\\n\\r\\n'); for await (const part of s) process.stdout.write(part)`
    const ran = await runBoxed(box, {
      command: process.execPath,
      args: ['--input-type=module', '-e', script],
      network: own,
      environment: { PORT: new URL(own.proxyUrl).port },
    })
    expect(ran.stdout).toMatch(/^HTTP\/1\.1 407 /)
    own.close()
    other.close()
  })

  it('a host that no rule names is refused by its name in the handshake, and that is recorded', async () => {
    bench.audit.events.length = 0
    const box = await playground.open()
    const lane = await openLane(box)
    const script = `const { connect } = await import('node:tls'); connect({ host: '127.0.0.1', port: 443, servername: 'evil.test', rejectUnauthorized: false }).on('error', (error) => console.log('refused', error.code)).on('secureConnect', () => console.log('connected'))`
    const ran = await runBoxed(box, {
      command: process.execPath,
      args: ['--input-type=module', '-e', script],
      network: lane,
      origins: ['https://api.test'],
    })
    lane.close()
    expect(ran.stdout).toMatch(/^refused/)
    expect(bench.refusals()).toEqual(['the host is not among those that this server’s rules name'])
  })

  it('the base-URL listener is reached under the address that the server is told', async () => {
    bench.upstream.journal.length = 0
    const box = await playground.open()
    const lane = await openLane(box, { endpoint: { upstream: 'https://api.test', prefix: '/api/v3' } })
    const end = lane.begin(call(['GET /repos/acme/web']))
    const script = `console.log(await (await fetch('${lane.endpointUrl}/api/v3/repos/acme/web', { ${headers} })).text())`
    const ran = await runBoxed(box, {
      command: process.execPath,
      args: ['--input-type=module', '-e', script],
      network: lane,
      origins: ['https://api.test'],
      environment: { API_TOKEN: placeholder },
    })
    end()
    lane.close()
    expect(ran).toMatchObject({ code: 0, stdout: '{"ok":true}\n' })
    expect(bench.upstream.journal.map(({ headers: { authorization } }) => authorization)).toEqual([`Bearer ${token}`])
  })

  let lanes = 0
  function openLane(box: Box, options: Parameters<Bench['lane']>[0] = {}): Promise<LaneNetwork> {
    lanes += 1
    return bench.lane({ lane: `box_${lanes}`, doors: box.folder, ...options })
  }
})
