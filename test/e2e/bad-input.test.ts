import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LineClient } from '../bench/driver.ts'
import { demoEnvironment, launcher, root, runJit } from '../support/command.ts'
import { configureServers, login, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const fixture = join(root, 'test/support/fixture-server.mjs')

describe('bad input through the real shim and daemon', () => {
  let stage: Stage
  let client: LineClient

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(stage, `  fixture:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [misbehave, big, environment]\n`)
    client = new LineClient(process.execPath, [launcher, 'connect', 'fixture'], demoEnvironment(stage.home))
    await client.initialize()
  })
  afterAll(async () => {
    client.close()
    await stage.close()
  })

  it.each([
    ['not JSON', 'rubbish'],
    ['half an object', '{"jsonrpc":"2.0","id":1'],
    ['a duplicate key', '{"jsonrpc":"2.0","id":70001,"method":"tools/call","params":{"name":"big","name":"misbehave","arguments":{}}}'],
    ['a case variant', '{"jsonrpc":"2.0","id":70002,"method":"tools/call","params":{"name":"big","Name":"misbehave","arguments":{}}}'],
    [
      'a number that loses digits',
      '{"jsonrpc":"2.0","id":70003,"method":"tools/call","params":{"name":"big","arguments":{"size":9007199254740993}}}',
    ],
    ['__proto__', '{"jsonrpc":"2.0","id":70004,"method":"tools/call","params":{"name":"big","arguments":{"__proto__":{"size":1}}}}'],
    [
      'a tool name with a confusable letter',
      '{"jsonrpc":"2.0","id":70005,"method":"tools/call","params":{"name":"b\u0456g","arguments":{}}}',
    ],
    [
      '100,000 levels',
      `{"jsonrpc":"2.0","id":70006,"method":"tools/call","params":{"name":"big","arguments":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
    ],
    [
      'five megabytes',
      `{"jsonrpc":"2.0","id":70007,"method":"tools/call","params":{"name":"big","arguments":{"x":"${'y'.repeat(5 * 1024 * 1024)}"}}}`,
    ],
  ])('%s gets a JSON-RPC error, and the connection lives', async (_, line) => {
    const answer = await client.raw(line)
    expect(answer).toContain('"error"')
    expect(answer).not.toContain('"result"')
    await client.call(10, 'big')
  })

  it.each([
    ['rubbish', 'after rubbish'],
    ['forge', 'first'],
    ['flood', 'after the flood'],
  ])('a server that answers with %s does not break its connection', async (way, wanted) => {
    const answer = await client.request('tools/call', { name: 'misbehave', arguments: { way } })
    expect(answer).toContain(wanted)
    await client.call(10, 'big')
  })

  it('a server that dies in a call: the call fails with its exit code, the next one starts it again', async () => {
    const answer = await client.request('tools/call', { name: 'misbehave', arguments: { way: 'die' } })
    expect(answer).toContain('"error"')
    expect(answer).toMatch(/exit|ended|code 3/)
    await client.call(10, 'big')
  })

  it('a result of ten megabytes arrives whole', async () => {
    await client.call(10_000_000, 'big')
  })

  it('an endless line ends in an error for its call, and the next call works', async () => {
    const answer = await client.request('tools/call', { name: 'misbehave', arguments: { way: 'endless' } })
    expect(answer).toContain('after the endless line')
    await client.call(10, 'big')
  })

  it('an unknown server is named, with what to do', async () => {
    const unknown = new LineClient(process.execPath, [launcher, 'connect', 'nothing'], demoEnvironment(stage.home), 'ignore')
    const answer = await unknown.request('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    })
    unknown.close()
    expect(answer).toContain('nothing')
    expect(answer).toContain('jit servers')
  })

  it('leaves a trail that verifies', async () => {
    await must(stage, ['audit', 'verify'])
  })
})

describe('a registration that cannot work', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(async () => {
    await stage.close()
  })

  it.each([
    [
      'the key of another App',
      (value: Stage) => ['--app-id', String(value.appId), '--installation', 'acme', '--private-key', '-'],
      'otherKey',
    ],
    ['a file that is no key', (value: Stage) => ['--app-id', String(value.appId), '--installation', 'acme', '--private-key', '-'], 'noKey'],
    [
      'an account without an installation',
      (value: Stage) => ['--app-id', String(value.appId), '--installation', 'nobody', '--private-key', value.keyFile],
      '',
    ],
    ['another App id', (value: Stage) => ['--app-id', '999', '--installation', 'acme', '--private-key', value.keyFile], ''],
  ])('with %s says so, and nothing is registered', async (_, options, input) => {
    const key = input === 'otherKey' ? otherKey() : input === 'noKey' ? 'not a key' : ''
    const result = await runJit(stage.home, ['login', 'github-app', 'acme', ...options(stage)], key)
    expect(result.code).not.toBe(0)
    expect(result.stderr).toMatch(/^error: .+\n(.*\n)*hint: .+/m)
    expect(JSON.parse(await must(stage, ['providers', '--json']))).toEqual([])
  })
})

function otherKey(): string {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
}
