/**
 * An MCP server that does what a test tells it, by its first argument (JSON) and by its tools:
 * `say` answers with a text; `fetch` asks the upstream (API_URL, API_TOKEN); `raw` writes bytes, and then answers, ends or
 * stays silent; `journal` tells what lines came; `self` tells its pid, environment and arguments; `describe` changes the
 * description of the tool `fetch`, the pages of the list, and what other methods answer.
 */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Behaviour } from './support.ts'

type Id = string | number

interface Message {
  readonly id?: Id
  readonly method?: string
  readonly params?: { readonly name?: string; readonly arguments?: Arguments; readonly cursor?: string; readonly protocolVersion?: string }
}

/** Of all tools together. `raw` writes ID for its call's id. */
interface Arguments {
  readonly repo?: string
  readonly item?: string
  readonly text?: string
  /** `say` answers with so many characters. */
  readonly size?: number
  /** `raw` writes so many characters for PAD. */
  readonly pad?: number
  readonly pages?: string[][]
  /** Method → what is answered beside `jsonrpc` and `id`; null: nothing is. */
  readonly answers?: Record<string, object | null>
  readonly write?: string
  readonly to?: 'stdout' | 'stderr'
  readonly times?: number
  readonly answer?: string | false
  readonly exit?: number
  /** `fetch` asks once the tools were listed again. */
  readonly afterList?: boolean
  /** `fetch` becomes a task of this id, and asks whenever the task's result is asked for. */
  readonly asTask?: string
  readonly closeInput?: boolean
  readonly pauseInput?: boolean
  /** Leaves a process that holds the pipes: in its group, or in one of its own. */
  readonly background?: 'group' | 'detached'
}

const options: Behaviour = JSON.parse(process.argv[2] ?? '{}')
const journal: string[] = []
let listed = (): void => undefined
let description = 'asks the upstream'
let answers: Record<string, object | null> = options.holdListens === true ? { 'subscriptions/listen': null } : {}
let path = ''
let pages = [['say', 'fetch', 'raw', 'journal', 'self', 'describe', 'hidden']]

if (options.ignoreTerm) process.on('SIGTERM', () => process.stderr.write('SIGTERM is ignored\n'))
if (options.ignoreEnd) setInterval(() => undefined, 1000)
if (options.atStart !== undefined) process.stdout.write(options.atStart)
if (options.atStart === '') process.exit(4)
const early = options.fetch === undefined ? undefined : await ask(options.fetch)

for await (const line of createInterface({ input: process.stdin })) {
  journal.push(line)
  const { id, method, params = {} }: Message = JSON.parse(line)
  if (id === undefined || method === undefined) continue
  const scripted = answers[method]
  if (scripted === null) continue
  if (scripted !== undefined) write({ jsonrpc: '2.0', id, ...scripted })
  else if (method === 'initialize') initialize(id, params.protocolVersion)
  else if (method === 'tools/list') list(id, Number(params.cursor ?? 0))
  else if (method === 'tasks/result' && path !== '') void ask(path).then((found) => text(id, JSON.stringify(found)))
  else if (method === 'tools/call') void call(id, params.name ?? '', params.arguments ?? {})
  else answer(id, {})
}

function initialize(id: Id, protocolVersion: string | undefined): void {
  if (options.atInitialize !== undefined) process.stdout.write(options.atInitialize)
  if (options.onInitialize === 'die') process.exit(5)
  if (options.onInitialize === 'refuse') return write({ jsonrpc: '2.0', id, error: { code: -32602, message: 'no' } })
  if (options.onInitialize === 'silent') return
  answer(id, { protocolVersion, capabilities: options.capabilities ?? { tools: {} }, serverInfo: { name: 'hostile', version: '1' } })
}

function list(id: Id, page: number): void {
  const tools = (pages[page] ?? []).map((name) => ({
    name,
    description: name === 'fetch' ? description : name,
    inputSchema: { type: 'object' },
  }))
  answer(id, { tools, ...(page + 1 < pages.length ? { nextCursor: String(page + 1) } : {}) })
  // Its answer is on the way; what comes now comes after it.
  setTimeout(listed, 50)
}

async function call(id: Id, name: string, args: Arguments): Promise<void> {
  if (name === 'say') return text(id, args.size === undefined ? (args.text ?? '') : 'x'.repeat(args.size))
  if (name === 'journal') return text(id, JSON.stringify(journal))
  if (name === 'self') return text(id, JSON.stringify({ pid: process.pid, early, env: process.env, argv: process.argv }))
  if (name === 'describe') {
    description = args.text ?? description
    pages = args.pages ?? pages
    answers = args.answers ?? answers
    return text(id, 'described')
  }
  if (name === 'fetch' && args.afterList === true) await new Promise<void>((resolve) => (listed = resolve))
  if (name === 'fetch' && args.asTask !== undefined) {
    path = `/repos/${args.repo}/${args.item}`
    return answer(id, { task: { taskId: args.asTask, status: 'working' } })
  }
  if (name === 'fetch') for (let count = 1; count < (args.times ?? 1); count += 1) await ask(`/repos/${args.repo}/${args.item}`)
  if (name === 'fetch') return text(id, JSON.stringify(await ask(`/repos/${args.repo}/${args.item}`)))
  if (name !== 'raw') return text(id, `no such tool: ${name}`)
  if (args.closeInput) {
    process.stdin.on('error', () => undefined).pause()
    closeSync(0)
  }
  if (args.pauseInput === true) {
    process.stdin.pause()
    // Nothing else would keep it alive.
    setInterval(() => undefined, 1000)
  }
  // Longer than a test may take: one that waits for it fails.
  if (args.background) spawn('sleep', ['90'], { stdio: 'inherit', detached: args.background === 'detached' }).unref()
  const bytes = String(args.write ?? '')
    .replaceAll('ID', JSON.stringify(id))
    .replaceAll('PAD', 'y'.repeat(args.pad ?? 0))
  for (let count = 0; count < (args.times ?? 1); count += 1) process[args.to ?? 'stdout'].write(bytes)
  if (args.exit !== undefined) process.stdout.write('', () => process.exit(args.exit))
  else if (args.answer !== false) text(id, args.answer ?? 'done')
}

async function ask(path: string): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(`${process.env['API_URL']}${path}`, {
      headers: { authorization: `Bearer ${process.env['API_TOKEN']}` },
    })
    return { status: response.status, body: await response.text() }
  } catch (error) {
    return { status: 0, body: String(error instanceof Error ? (error.cause ?? error) : error) }
  }
}

function text(id: Id, value: string): void {
  answer(id, { content: [{ type: 'text', text: value }] })
}

function answer(id: Id, result: object): void {
  write({ jsonrpc: '2.0', id, result })
}

function write(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
