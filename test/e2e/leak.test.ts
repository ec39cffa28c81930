import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { configureServers, githubServer, login, must, serverEverything } from '../support/servers.ts'
import { descendantsOf } from '../support/processes.ts'
import { openStage, type Stage } from '../support/stage.ts'

/**
 * The canary sweep: after real calls, no token that the stand-in ever minted, and nothing of the App's private key, stands in
 * any file of the home, in any output, or in the environment and command line of any process of the daemon.
 */
describe('secrets', () => {
  let stage: Stage
  const outputs: string[] = []

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(
      stage,
      `${githubServer('github')}  everything:
    run: [node, ${JSON.stringify(serverEverything)}]
    provider: acme
    inject: { mode: egress, env: GITHUB_TOKEN }
    allow: [get-env, echo]
    tools:
      get-env: { scope: { repositories: [acme/web], permissions: { issues: read } }, requests: ["GET /repos/acme/web/issues"] }
      echo: { credential: none }
`,
    )
    const github = await stage.client('github')
    for (const number of [42, 42]) {
      const answer = await github.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: number } })
      outputs.push(JSON.stringify(answer))
    }
    for (const command of [
      ['audit', '--json'],
      ['audit'],
      ['leases', '--json'],
      ['status', '--json'],
      ['doctor', '--json'],
      ['providers', '--json'],
      ['servers', '--json'],
    ]) {
      outputs.push(await must(stage, command))
    }
  })
  afterAll(async () => {
    await stage.close()
  })

  it('a server that prints its environment shows a placeholder, and no token', async () => {
    const everything = await stage.client('everything')
    const answer = await everything.callTool({ name: 'get-env', arguments: {} })
    const text = JSON.stringify(answer)
    outputs.push(text)
    expect(text).toMatch(/GITHUB_TOKEN/)
    expect(tokensIn(text, stage)).toEqual([])
    expect(stage.github.tokens().length).toBeGreaterThan(0)
  })

  it('stand in no output of a command and no answer to a client', () => {
    expect(outputs.length).toBeGreaterThan(8)
    for (const text of outputs) {
      expect(tokensIn(text, stage)).toEqual([])
      expect(text).not.toContain(keyLine(stage))
    }
  })

  it('stand in no file of the home', () => {
    const files = readdirSync(stage.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => file !== stage.keyFile)
    expect(files.length).toBeGreaterThan(5)
    const line = keyLine(stage)
    for (const file of files) {
      const text = readFileSync(file, 'latin1')
      expect(tokensIn(text, stage), file).toEqual([])
      expect(text.includes(line), file).toBe(false)
    }
  })

  it.runIf(process.platform === 'linux')('stand in no environment and no command line of the daemon’s processes', async () => {
    const status = z
      .looseObject({ pid: z.number(), servers: z.array(z.looseObject({ lanes: z.array(z.looseObject({ pid: z.number() })) })) })
      .parse(JSON.parse(await must(stage, ['status', '--json'])))
    const lanes = status.servers.flatMap((server) => server.lanes.map((lane) => lane.pid))
    expect(lanes.length).toBeGreaterThan(1)
    // A lane in a sandbox is several processes.
    for (const pid of lanes.flatMap((lane) => [lane, ...descendantsOf(lane).map((found) => found.pid)])) {
      const text = readFileSync(`/proc/${pid}/environ`, 'latin1') + readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      expect(tokensIn(text, stage)).toEqual([])
      expect(text).not.toContain(keyLine(stage))
    }
    expect(tokensIn(readFileSync(`/proc/${status.pid}/cmdline`, 'latin1'), stage)).toEqual([])
  })
})

function tokensIn(text: string, stage: Stage): string[] {
  const minted = new Set(stage.github.tokens().map((token) => token.hash))
  return (text.match(/ghs_[A-Za-z0-9._-]{36,}/g) ?? []).filter((candidate) =>
    minted.has(createHash('sha256').update(candidate).digest('base64')),
  )
}

function keyLine(stage: Stage): string {
  return readFileSync(stage.keyFile, 'utf8').split('\n')[4] ?? ''
}
