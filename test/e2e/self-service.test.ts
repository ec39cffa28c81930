import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { openAgent } from '../support/agent.ts'
import { jitJson, root, runJit } from '../support/command.ts'
import { must } from '../support/servers.ts'

const fixture = join(root, 'test/support/fixture-server.mjs')
const config = `version: 1
servers:
  notes: # what we write down
    run: [node, ${JSON.stringify(fixture)}]
    where: { size: [3] }
    allow: [big] # nothing else
    ask: []
    deny: [misbehave]
`
const answer = z.object({ content: z.array(z.object({ text: z.string() })), isError: z.boolean().optional() })
const proposals = z.array(z.looseObject({ id: z.string(), state: z.string() }))

/** An agent that is denied, asks jit why, proposes a rule, and gets it from a person. */
describe('jit connect jit', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-self-'))
  let jit: Client
  let notes: Client

  beforeAll(async () => {
    writeFileSync(join(home, 'jit.yaml'), config, { mode: 0o600 })
    jit = await openAgent(home, 'jit')
    notes = await openAgent(home, 'notes')
  })
  afterAll(async () => {
    await jit.close()
    await notes.close()
    await runJit(home, ['stop'])
    rmSync(home, { recursive: true, force: true })
  })

  const ask = async (name: string, args: Record<string, unknown> = {}): Promise<string> =>
    answer
      .parse(await jit.callTool({ name, arguments: args }))
      .content.map(({ text }) => text)
      .join()
  const visible = async (): Promise<string[]> => (await notes.listTools()).tools.map(({ name }) => name)
  const propose = async (change: Record<string, unknown>): Promise<string> =>
    /proposal_[0-9a-z]{16}/.exec(await ask('propose_rule', { server: 'notes', reason: 'the task needs it', ...change }))?.[0] ?? ''

  it('answers what may be done, and why a call was denied', async () => {
    expect((await jit.listTools()).tools.map(({ name }) => name)).toContain('why_was_i_denied')
    expect(await ask('what_may_i_do')).toContain('every call: size is 3')
    expect(answer.parse(await notes.callTool({ name: 'big', arguments: { size: 4 } })).isError).toBe(true)
    const why = await ask('why_was_i_denied')
    expect(why).toContain('size 4 is not 3')
    expect(why).toContain('servers.notes.where.size')
  })

  it('a proposal does nothing until a person accepts it; then a hidden tool is there', async () => {
    expect(await visible()).toEqual(['big'])
    const id = await propose({ tool: 'environment', effect: 'allow', argument: 'size', admit: [4] })
    expect(await visible()).toEqual(['big'])
    expect(proposals.parse(await jitJson(home, ['proposals']))).toMatchObject([{ id, state: 'waiting' }])

    const shown = await must({ home }, ['proposals', 'show', id])
    expect(shown).toContain('environment: unlisted → environment: allow')
    expect(shown).toContain('"the task needs it"')
    const unasked = await runJit(home, ['proposals', 'accept', id])
    expect(unasked.stderr).toContain('2 changes would make something wider, and there is nobody to ask')
    expect(await visible()).toEqual(['big'])

    await must({ home }, ['proposals', 'accept', id, '--yes'])
    expect(await visible()).toEqual(['environment', 'big'])
    expect(answer.parse(await notes.callTool({ name: 'big', arguments: { size: 4 } })).isError).not.toBe(true)
    expect(await ask('my_proposals')).toContain(`${id}: accepted`)
    const text = readFileSync(join(home, 'jit.yaml'), 'utf8')
    expect(text).toContain('# what we write down')
    expect(text).toContain('allow: [ big, environment ] # nothing else')
    expect(await must({ home }, ['audit', '--all'])).toContain('proposal.accepted by command line of this account')
  })

  it('one that only adds a condition makes nothing wider, and is accepted without a question', async () => {
    const id = await propose({ tool: 'big', when: 'args.size < 10' })
    const shown = await must({ home }, ['proposals', 'show', id])
    expect(shown).toMatch(/servers\.notes\.tools\.big\.when +narrower +added: args\.size < 10/)
    expect(shown).not.toContain('wider')
    await must({ home }, ['proposals', 'accept', id])
    expect(answer.parse(await notes.callTool({ name: 'big', arguments: { size: 4 } })).isError).not.toBe(true)
    const more = await propose({ tool: 'big', when: 'args.size > 3' })
    expect(await must({ home }, ['proposals', 'show', more])).toMatch(
      /narrower +args\.size < 10 → \(args\.size < 10\) && \(args\.size > 3\)/,
    )
    await must({ home }, ['proposals', 'accept', more])
    expect(answer.parse(await notes.callTool({ name: 'big', arguments: { size: 3 } })).isError).toBe(true)
  })

  it('one that is rejected changes nothing, and is decided once', async () => {
    const id = await propose({ tool: 'misbehave', effect: 'allow' })
    expect(await must({ home }, ['proposals', 'show', id])).toContain('misbehave: deny → misbehave: allow')
    await must({ home }, ['proposals', 'reject', id])
    expect((await runJit(home, ['proposals', 'accept', id, '--yes'])).stderr).toContain('was rejected before')
    expect(await visible()).not.toContain('misbehave')
    expect(await ask('my_proposals')).toContain(`${id}: rejected`)
  })

  it('one that does not fit says why, and is not accepted; nor while the file has other changes', async () => {
    const id = await propose({ argument: 'size', refuse: [3, 4] })
    expect(await must({ home }, ['proposals', 'show', id])).toContain('no value of "size" would be left')
    expect((await runJit(home, ['proposals', 'accept', id, '--yes'])).code).not.toBe(0)
    const other = await propose({ ttl: '1m' })
    const file = join(home, 'jit.yaml')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, `${before}ttl: 4m\n`)
    expect(await must({ home }, ['proposals', 'show', other])).toContain('not applied')
    expect((await runJit(home, ['proposals', 'accept', other, '--yes'])).code).not.toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(`${before}ttl: 4m\n`)
    writeFileSync(file, before)
  })

  it('can be switched off, and its name is nobody else’s', async () => {
    const file = join(home, 'jit.yaml')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, `${before}self: read\n`)
    await must({ home }, ['config', 'apply'])
    expect((await jit.listTools()).tools.map(({ name }) => name)).not.toContain('propose_rule')
    await expect(jit.callTool({ name: 'propose_rule', arguments: {} })).rejects.toThrow('Unknown tool')
    writeFileSync(file, `${before}self: off\n`)
    await must({ home }, ['config', 'apply'])
    await expect(openAgent(home, 'jit')).rejects.toThrow('there is no server')
    expect((await runJit(home, ['add', 'jit', '--', 'node', fixture])).stderr).toContain('the name "jit" is taken')
  })
})
