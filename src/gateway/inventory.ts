import { z } from 'zod'
import type { ListedTool } from '../api/schema.ts'
import { JitError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Principal } from '../core/types.ts'
import { Ending } from './ending.ts'
import type { Message } from './protocol/jsonrpc.ts'
import { Lane } from './lane/lane.ts'
import { Cleaner } from './scrub/cleaner.ts'
import type { GatewayDeps } from './types.ts'
import { ToolHeaders } from './protocol/tool-headers.ts'

const revision = '2025-11-25'
const patience = 20_000
const pageCap = 20
const toolCap = 1000
const descriptionCap = 400

const nobody: Principal = { human: '', agent: { name: 'jit add', pid: 0, startTime: 0, evidence: 'peer' }, session: '' }

const page = z.object({
  tools: z.array(
    z.object({
      name: z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/),
      description: z.string().default(''),
      annotations: z.object({ readOnlyHint: z.boolean().optional(), destructiveHint: z.boolean().optional() }).default({}),
    }),
  ),
  nextCursor: z.string().optional(),
})

/**
 * All tools of a server, for the person who decides which of them are allowed: by a conversation of its own, in which no tool can be
 * called. It has the credential of `startup:`, or none. Names and descriptions are the server's words, without secrets. Throws
 * JitError `locked` and what starting, reaching or asking the server throws.
 */
export async function listTools(deps: GatewayDeps, server: string): Promise<ListedTool[]> {
  if (deps.broker.locked) throw new JitError('locked', 'jit is locked')
  const { scrubber } = deps.broker.search
  const cleaner = new Cleaner(deps.broker.search)
  const over = new JitError('cancelled', 'its tools are listed')
  const late = new JitError('server.unavailable', `server ${server} did not list its tools within ${patience / 1000} s`)
  const ending = new Ending()
  const lane = new Lane(deps, {
    server,
    principal: nobody,
    handshake: { initialize: undefined, initialized: false, revision: '', level: undefined },
    lease: undefined,
    toolHeaders: new ToolHeaders(),
    scrub: (text) => scrubber().scrubText(text),
    onMessage: (from, message) => decline(from, message),
    onRefused: () => undefined,
    onTrouble: () => undefined,
    onEnd: (_, error) => ending.end(error),
  })
  const cancel = deps.clock.after(patience, () => void lane.close(late))
  let asked = 0
  const ask = async (method: string, params: JsonObject): Promise<unknown> => {
    const id = `jit:${(asked += 1)}`
    const { line, value } = await lane.request(id, JSON.stringify({ jsonrpc: '2.0', id, method, params }), ending)
    if ('error' in value) throw new JitError('server.unavailable', `server ${server} answered ${method} with an error`)
    const clean: { result?: unknown } = JSON.parse(cleaner.clean(line))
    return clean.result
  }
  try {
    await lane.start()
    await ask('initialize', { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'jit', version: '1' } })
    lane.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    const tools: ListedTool[] = []
    let cursor: string | undefined
    for (let turn = 0; turn < pageCap && tools.length < toolCap; turn += 1) {
      const parsed = page.safeParse(await ask('tools/list', cursor === undefined ? {} : { cursor }))
      if (!parsed.success) throw new JitError('server.unavailable', `server ${server} lists its tools in a form that is not the protocol’s`)
      for (const { name, description, annotations } of parsed.data.tools)
        tools.push({ name, description: description.slice(0, descriptionCap), readOnly: annotations.readOnlyHint ?? false })
      cursor = parsed.data.nextCursor
      if (cursor === undefined) break
    }
    return tools.slice(0, toolCap)
  } finally {
    cancel()
    await lane.close(over)
  }
}

/** This client can nothing but ask. */
function decline(lane: Lane, message: Message): void {
  if (message.kind !== 'request') return
  const { id, method } = message
  const answer = method === 'ping' ? { result: {} } : { error: { code: -32601, message: 'Method not found' } }
  lane.reply(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
}
