import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { z } from 'zod'
import { listenOnLoopback } from '../../../src/egress/listen.ts'
import { openAgent } from '../../support/agent.ts'
import { jitJson } from '../../support/command.ts'
import { configureServers, login } from '../../support/servers.ts'
import { openStage, type Stage } from '../../support/stage.ts'

/** Where the server runs: in a sandbox, or as a program like any other. */
export type Place = 'sandbox' | 'off'

/** What a server is told to do; see `server/main.mjs`. */
export type Act = Readonly<Record<string, unknown>> & { readonly do: string }

export interface TrailRecord {
  readonly type: string
  readonly server?: string
  readonly reason?: string
  readonly result?: string
  readonly request?: { readonly method: string; readonly origin: string; readonly path: string }
  readonly error?: { readonly code: string; readonly message: string }
  readonly detail?: unknown
}

/** One hostile server, and what can be seen of it from outside. */
export interface Subject {
  readonly place: Place
  /** Of the server with egress; the one that holds its credential is called `…-env`. */
  readonly name: string
  /** The folder of its program: a copy of its own. */
  readonly program: string
  /** Performs an act within a call that has a credential for that issue, and answers what came of it. */
  act(act: Act, issue?: number): Promise<unknown>
  /** The same within a call without a credential. */
  idle(act: Act): Promise<unknown>
  /** The client of `server`; opened when it is not there. */
  client(server?: string): Promise<Client>
  /** Ends the session, and with it the lane. */
  leave(): Promise<void>
}

/** All that the attempts act on, and what their success would be seen by. */
export interface Scene {
  readonly stage: Stage
  readonly subjects: readonly Subject[]
  /** Stands for the account's home: with files worth stealing, and worth changing. */
  readonly account: string
  readonly daemon: number
  /** A listener of this machine that nothing may reach; the names and addresses of elsewhere lead to it. */
  readonly trap: { readonly port: number; reached: number }
  /** The network that this process is in. */
  readonly network: string
  /** Records of the trail so far. */
  trail(): readonly TrailRecord[]
  log(): string
  /** Requests that came to the stand-in and were no mint, revocation or look at the App. */
  journal(): readonly { readonly method: string; readonly path: string; readonly status: number }[]
  close(): Promise<void>
}

export const canary = 'canary-of-the-account-7d2f'

/** Names and addresses of elsewhere, all of which lead to the trap: should the broker dial one, it arrives there. */
export const elsewhere = {
  names: ['collector.example', 'api.github.com.collector.example', 'metadata.google.internal'],
  metadata: ['169.254.169.254', '100.100.100.200', '[fd00:ec2::254]'],
  addresses: ['203.0.113.7', '[2001:db8::7]'],
  mapped: ['[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[64:ff9b::a9fe:a9fe]', '[2002:a9fe:a9fe::]'],
} as const

/** A home of its own with a server for each place that there is, GitHub's stand-in, and the trap. */
export async function openScene(places: readonly Place[]): Promise<Scene> {
  const stage = await openStage()
  const folder = mkdtempSync(join(tmpdir(), 'jit-hostile-'))
  const account = makeAccount(folder)
  const trap = { port: 0, reached: 0 }
  const listener = createServer((socket) => {
    trap.reached += 1
    socket.on('error', () => undefined).end()
  })
  trap.port = await listenOnLoopback(listener)
  const configFile = join(stage.home, 'jit.yaml')
  const hosts = Object.values(elsewhere)
    .flat()
    .map((name) => `    ${JSON.stringify(name)}: "127.0.0.1:${trap.port}"`)
  const text = readFileSync(configFile, 'utf8')
  writeFileSync(configFile, text.replace(/ {2}hosts: \{ (.*) \}\n/, `  hosts:\n    $1\n${hosts.join('\n')}\n`))
  await login(stage)
  const programs = new Map(places.map((place) => [place, copyProgram(folder, place)]))
  await configureServers(stage, places.map((place) => serversOf(place, programs.get(place) ?? '')).join(''))
  const status = z.looseObject({ pid: z.number() }).parse(await jitJson(stage.home, ['status']))
  const subjects = places.map((place) => subjectOf(stage, place, programs.get(place) ?? ''))
  return {
    stage,
    subjects,
    account,
    daemon: status.pid,
    trap,
    network: existsSync('/proc/self/ns/net') ? readlinkSync('/proc/self/ns/net') : '',
    trail: () => readTrail(join(stage.home, 'audit')),
    log: () => readFileSync(join(stage.home, 'jit.log'), 'utf8'),
    journal: () => stage.github.journal.filter(({ path }) => !/^\/(app|installation|users\/|orgs\/)/.test(path)),
    async close() {
      for (const subject of subjects) await subject.leave()
      await stage.close()
      await new Promise((resolve) => listener.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function subjectOf(stage: Stage, place: Place, program: string): Subject {
  const clients = new Map<string, Promise<Client>>()
  const client = (server: string = place): Promise<Client> => {
    const known = clients.get(server) ?? openAgent(stage.home, server, 'hostile-demo')
    clients.set(server, known)
    return known
  }
  const tell = async (tool: string, args: Record<string, unknown>): Promise<unknown> => {
    const answer = await (await client()).callTool({ name: tool, arguments: args })
    return reveal(textOf(answer.content))
  }
  return {
    place,
    name: place,
    program,
    act: (act, issue = 42) => tell('try', { issue, act }),
    idle: (act) => tell('idle', { act }),
    client,
    async leave() {
      for (const open of clients.values()) await open.then((client) => client.close()).catch(() => undefined)
      clients.clear()
    },
  }
}

/** Two servers for each place: one that never holds its credential, and one that holds it from its start. */
function serversOf(place: Place, program: string): string {
  const shared = `    run: [node, ${JSON.stringify(join(program, 'main.mjs'))}]
    provider: acme
    sandbox: ${place === 'sandbox' ? 'on' : 'off'}
    isolation: none
    allow: [try, idle]
    tools:
      try:
        scope: { repositories: [acme/web], permissions: { issues: read } }
        requests: ["GET /repos/acme/web/issues/\${args.issue}"]
      idle: { credential: none }
`
  return `  ${place}:\n    inject: { mode: egress, env: API_TOKEN }\n${shared}  ${place}-env:\n    inject: { mode: env, env: API_TOKEN }\n${shared}`
}

/** Each server's program is its own: one of the attempts changes it. */
function copyProgram(folder: string, place: Place): string {
  const program = join(folder, place, 'program')
  cpSync(join(import.meta.dirname, 'server'), program, { recursive: true })
  return program
}

function makeAccount(folder: string): string {
  const account = join(folder, 'account')
  mkdirSync(join(account, '.ssh'), { recursive: true })
  mkdirSync(join(account, '.config/autostart'), { recursive: true })
  for (const name of accountFiles) writeFileSync(join(account, name), `${canary}\n`)
  return account
}

/** Secrets, shell files, configurations of MCP clients, and what starts by itself. */
export const accountFiles = ['.ssh/id_ed25519', '.bashrc', '.zshrc', '.claude.json', '.config/mcp.json', '.config/autostart/x.desktop']

export function textOf(content: unknown): string {
  const parts = z.array(z.looseObject({ text: z.string().optional() })).parse(content)
  return parts.map((part) => part.text ?? '').join('')
}

/** The server's own spelling, which no scrubber knows. What is not in it (an error of jit's) is answered as it is. */
function reveal(text: string): unknown {
  if (!/^([0-9a-f]{2})+$/.test(text)) return { refused: text }
  return JSON.parse(
    Buffer.from(text, 'hex')
      .map((byte) => byte ^ 0x5a)
      .toString(),
  )
}

function readTrail(folder: string): TrailRecord[] {
  return readdirSync(folder)
    .filter((name) => /^\d+\.jsonl$/.test(name))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line.endsWith('}'))
    .map((line): TrailRecord => JSON.parse(line))
}
