import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runJit } from '../support/command.ts'
import { hasUv, type PythonIndex, startPythonIndex, type TestWheel } from '../support/python-index.ts'
import { must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

/** An MCP server in plain lines of JSON-RPC; its tool answers with its version, interpreter and arguments. */
const serverText = (version: string): string => `
import json, sys

def answer(to, result):
    print(json.dumps({"jsonrpc": "2.0", "id": to, "result": result}), flush=True)

def main():
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        if method == "initialize":
            answer(message["id"], {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "greeter", "version": "${version}"}})
        elif method == "tools/list":
            answer(message["id"], {"tools": [{"name": "about", "description": "about", "inputSchema": {"type": "object"}}]})
        elif method == "tools/call":
            about = {"version": "${version}", "python": sys.executable, "argv": sys.argv}
            answer(message["id"], {"content": [{"type": "text", "text": json.dumps(about)}]})
        elif "id" in message:
            answer(message["id"], {})
`
const greeter = (version: string): TestWheel => ({ name: 'acme-greeter', version, module: serverText(version) })
const toolAnswer = z.object({ content: z.array(z.object({ text: z.string() })).min(1) })
const aboutShape = z.object({ version: z.string(), python: z.string(), argv: z.array(z.string()) })
const recordShape = z.looseObject({ type: z.string(), pin: z.string().optional() })
const updateShape = z.object({ before: z.string(), pin: z.string() })

/** The user's own uv, pointed at an index on loopback by the user's own uv.toml: the daemon's environment names nothing of it. */
describe.skipIf(!hasUv())('a server from an index of Python packages', () => {
  const account = mkdtempSync(join(tmpdir(), 'jit-account-'))
  const accountBefore = process.env['HOME']
  let index: PythonIndex
  let stage: Stage
  let pin = ''

  beforeAll(async () => {
    index = await startPythonIndex()
    index.publish(greeter('1.0.0'))
    mkdirSync(join(account, '.config/uv'), { recursive: true })
    writeFileSync(
      join(account, '.config/uv/uv.toml'),
      `cache-dir = "${join(account, 'cache')}"\npython-downloads = "never"\n[[index]]\nurl = "${index.url}"\ndefault = true\n`,
    )
    process.env['HOME'] = account
    stage = await openStage()
  })
  afterAll(async () => {
    await stage.close()
    await index.close()
    if (accountBefore !== undefined) process.env['HOME'] = accountBefore
    rmSync(account, { recursive: true, force: true })
  })

  it('is pinned by version and content when it is added', async () => {
    const added = await runJit(stage.home, [
      'add',
      'greeter',
      '--allow',
      'about',
      '--json',
      '--',
      'uvx',
      'acme-greeter',
      'first',
      '--second',
    ])
    expect(added.stderr).toBe('')
    pin = z.looseObject({ pin: z.string() }).parse(JSON.parse(added.stdout)).pin
    expect(pin).toMatch(/^pypi:acme-greeter@1\.0\.0 sha256:[0-9a-f]{64}$/)
    expect(await must(stage, ['servers', '--json'])).toContain(pin)
  })

  it('starts from the state folder, with its arguments, and asks the index nothing', async () => {
    await must(stage, ['stop'])
    index.publish(greeter('1.1.0'))
    const before = index.journal.length
    const { version, python, argv } = await about(stage)
    expect(version).toBe('1.0.0')
    expect(python).toMatch(new RegExp(`^${stage.home}/.*/env/bin/python$`))
    expect(argv).toEqual([expect.stringMatching(/\/env\/bin\/acme-greeter$/), 'first', '--second'])
    expect(index.journal.length).toBe(before)
    const calls = (await trail(stage)).filter(({ type }) => type.startsWith('call.'))
    expect(calls.map((call) => [call.type, call.pin])).toEqual([
      ['call.intent', pin],
      ['call.close', pin],
    ])
  })

  it('does not start when its files were changed, until jit update, which brings the new version', async () => {
    const { argv } = await about(stage)
    const lib = join(argv[0] ?? '', '../../lib')
    const module = join(lib, readdirSync(lib)[0] ?? '', 'site-packages/acme_greeter.py')
    expect(existsSync(module)).toBe(true)
    writeFileSync(module, `${serverText('1.0.0')}\n# changed`)
    await must(stage, ['stop'])
    await expect(about(stage)).rejects.toThrow(/1703|pinned/)
    const updated = updateShape.parse(JSON.parse(await must(stage, ['update', 'greeter', '--json'])))
    expect(updated.before).toBe(pin)
    expect(updated.pin).toMatch(/^pypi:acme-greeter@1\.1\.0 sha256:/)
    expect((await about(stage)).version).toBe('1.1.0')
    await must(stage, ['audit', 'verify'])
  })
})

/** What the server's own process says of itself. */
async function about(stage: Stage): Promise<z.infer<typeof aboutShape>> {
  const client = await stage.client('greeter')
  const answer = toolAnswer.parse(await client.callTool({ name: 'about', arguments: {} }))
  return aboutShape.parse(JSON.parse(answer.content[0]?.text ?? ''))
}

async function trail(stage: Stage): Promise<z.infer<typeof recordShape>[]> {
  const lines = (await must(stage, ['audit', '--json'])).trim().split('\n')
  return lines.map((line) => recordShape.parse(JSON.parse(line)))
}
