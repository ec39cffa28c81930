import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { demoEnvironment, launcher, root, runJit } from '../support/command.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { LineClient } from './driver.ts'

export const echoServer = join(root, 'test/bench/echo-server.mjs')
export const relayProgram = join(root, 'test/bench/relay.mjs')

/** jit in a home of its own, before GitHub's stand-in. */
export interface Stand {
  readonly stage: Stage
  readonly environment: Record<string, string>
  /** `jit connect SERVER`, with the handshake done. */
  connect(server: string): Promise<LineClient>
  /** Runs a jit command; throws with what it said when it fails. */
  run(args: readonly string[]): Promise<string>
  close(): Promise<void>
}

export interface StandOptions {
  /** Entries below `servers:`, two spaces deep. */
  readonly servers: readonly string[]
  /** More of the config file, at its top level. */
  readonly top?: string
  /** More of `network.hosts`. */
  readonly hosts?: Readonly<Record<string, string>>
  /** While the daemon of this home, which has been set up, is stopped. */
  readonly prepare?: (home: string) => Promise<void>
}

export async function openStand({ servers, top = '', hosts = {}, prepare }: StandOptions): Promise<Stand> {
  const stage = await openStage()
  const environment = demoEnvironment(stage.home)
  const clients: LineClient[] = []
  const run = async (args: readonly string[]): Promise<string> => {
    const result = await runJit(stage.home, args)
    if (result.code !== 0) throw new Error(`jit ${args[0] ?? ''}: ${result.stderr}${result.stdout}`)
    return result.stdout
  }
  const stand: Stand = {
    stage,
    environment,
    async connect(server) {
      const client = new LineClient(process.execPath, [launcher, 'connect', server], environment)
      clients.push(client)
      await client.initialize()
      return client
    },
    run,
    async close() {
      for (const client of clients) client.close()
      await stage.close()
    },
  }
  try {
    await run(['login', 'github-app', 'acme', '--app-id', String(stage.appId), '--installation', 'acme', '--private-key', stage.keyFile])
    const file = join(stage.home, 'jit.yaml')
    const more = Object.entries(hosts).map(([from, to]) => ` ${JSON.stringify(from)}: ${JSON.stringify(to)},`)
    const config = readFileSync(file, 'utf8').replace('hosts: {', `hosts: {${more.join('')}`)
    writeFileSync(file, `${config.trimEnd()}\n${top}servers:\n${servers.join('')}`)
    await run(['config', 'apply', '--yes'])
    if (prepare !== undefined) {
      await run(['stop'])
      await prepare(stage.home)
    }
    return stand
  } catch (error) {
    await stand.close()
    throw error
  }
}

/** The echo server under this name: one tool with a warm lease, one that mints for each call, and rules for `more` tools that nobody calls. */
export function echoEntry(name: string, more = 0): string {
  const tool = (title: string, extra = ''): string => `      ${title}:
        scope: { repositories: ["\${args.owner}/\${args.repo}"], permissions: { issues: read } }
        requests: ["GET /repos/\${args.owner}/\${args.repo}/issues"]
${extra}`
  const others = Array.from({ length: more }, (_, index) => `other_${index}`)
  return `  ${name}:
    run: [node, ${JSON.stringify(echoServer)}]
    provider: acme
    inject: { mode: egress, env: GITHUB_TOKEN }
    where: { owner: acme, repo: [web, api] }
    allow: [${['echo', 'mint', ...others].join(', ')}]
    ttl: 1h
    tools:
${tool('echo')}${tool('mint', '        lifetime: call\n')}${others.map((other) => `      ${other}: { credential: none, arguments: [owner, repo] }\n`).join('')}`
}
