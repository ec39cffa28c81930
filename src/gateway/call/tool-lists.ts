import { randomUUID } from 'node:crypto'
import { JitError, toJitError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { Ending } from '../ending.ts'
import { learningId } from '../lane/lane.ts'
import { isForRoom } from '../lane/lanes.ts'
import { isStateless } from '../protocol/jsonrpc.ts'
import { metaOf } from '../protocol/params.ts'
import type { Call } from './call.ts'
import type { CallContext } from './context.ts'

const metaPrefix = 'io.modelcontextprotocol/'
const metaNames = ['protocolVersion', 'clientCapabilities', 'clientInfo']
/** For all pages together, in milliseconds: a call waits no longer. */
const patience = 5000
const pageCap = 20
const cursorCap = 4096
const headerMismatch = -32020

/**
 * Whether a call goes to a remote server of 2026-07-28 that has listed the tool to nobody yet, as after a restart of the daemon: which
 * of its arguments belong in headers (`Mcp-Param-*`) is not known, and without them the server has to refuse it.
 */
export function isToolNew({ deps, server, tools }: CallContext, { operation, request }: Call): boolean {
  const config = deps.config().servers[server]
  if (operation.kind !== 'tool' || config?.url === undefined || config.transport === 'sse') return false
  const revision = metaOf(request.params)[`${metaPrefix}protocolVersion`]
  return typeof revision === 'string' && isStateless(revision) && tools.of(server).wantedBy(operation.name) === undefined
}

/**
 * Has the server's tools listed before the call, as its client would have had: in the first lane, with the credential of `startup:` or
 * none. Whatever comes of it, the call goes on. Throws only what ended the call meanwhile.
 */
export async function listFirst(context: CallContext, { operation, request, ending }: Call): Promise<void> {
  const own = metaOf(request.params)
  const meta = Object.fromEntries(
    metaNames.flatMap((name): [string, Json][] => {
      const value = own[metaPrefix + name]
      return value === undefined ? [] : [[metaPrefix + name, value]]
    }),
  )
  await context.tools.learn(context.server, operation.name, ending, () => list(context, meta, ending))
  ending.throwIfEnded()
}

/** What was known of the tool was wrong, or is by now. */
export function noteMismatch({ server, tools }: CallContext, { operation }: Call, { error }: JsonObject): void {
  if (operation.kind === 'tool' && isJsonObject(error) && error['code'] === headerMismatch) tools.unlearn(server, operation.name)
}

/** False when it was no fault of the server that nothing came of it: somebody else may ask. Never throws. */
async function list({ deps, server, lanes, tools }: CallContext, meta: JsonObject, call: Ending): Promise<boolean> {
  const ending = new Ending()
  const late = new JitError('server.unavailable', `server ${server} did not list its tools within ${patience / 1000} s`)
  const cancel = deps.clock.after(patience, () => ending.end(late))
  const leave = (reason: JitError): void => ending.end(reason)
  call.on(leave)
  try {
    const lane = await lanes.primary(ending)
    let cursor: Json | undefined
    for (let page = 0; page < pageCap; page += 1) {
      const id = `${learningId}${randomUUID()}`
      const params = { ...(cursor === undefined ? {} : { cursor }), _meta: meta }
      const { value } = await lane.request(id, JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list', params }), ending)
      tools.of(server).learn(value)
      cursor = isJsonObject(value['result']) ? value['result']['nextCursor'] : undefined
      if (typeof cursor !== 'string' || cursor.length > cursorCap) break
    }
    return true
  } catch (error) {
    return call.reason === undefined && !isForRoom(toJitError(error))
  } finally {
    cancel()
    call.off(leave)
  }
}
