import { deserializeMessage, McpServer, type ServerContext, type Transport } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { type SelfTool, selfTools } from '../config/self.ts'
import { JitError } from '../core/errors.ts'
import type { Logger, Principal } from '../core/types.ts'
import type { LocalConversation } from '../gateway/upstream/local.ts'
import type { Answers } from './types.ts'
import { tools } from './tools.ts'

export interface ConversationDeps {
  readonly version: string
  readonly log: Logger
  readonly answers: Answers
}

const instructions =
  'jit decides on the tool calls that you make through it, and gives each its own credential. Ask here what you may do before you try, ' +
  'and why a call was denied after it was. Nothing here can change a rule or let a call through: only a person can.'

/** One client's conversation with jit's own server, in whichever protocol revision the client begins. */
export function converse(deps: ConversationDeps, caller: Principal, say: (message: object) => void): LocalConversation {
  const transport: Transport = {
    start: async () => undefined,
    send: async (message) => say(message),
    close: async () => transport.onclose?.(),
  }
  const served = serveStdio(() => buildServer(deps, caller), {
    transport,
    onerror: (error) => deps.log.debug('message of a client not understood', { error: error.message }),
  })
  return {
    hear: (line) => transport.onmessage?.(deserializeMessage(line)),
    close: () => served.close(),
  }
}

function buildServer(deps: ConversationDeps, caller: Principal): McpServer {
  const server = new McpServer({ name: 'jit', version: deps.version }, { instructions })
  for (const name of [...selfTools.read, ...selfTools.propose]) {
    const { title, description, annotations, input } = tools[name]
    server.registerTool(name, { title, description, annotations, inputSchema: input }, (args: unknown, context) =>
      answer(deps, caller, name, args, context),
    )
  }
  return server
}

/** A failure is told by jit's own words alone: what else an error says may hold a path, or a stranger's text. */
async function answer(deps: ConversationDeps, caller: Principal, name: SelfTool, args: unknown, context: ServerContext) {
  const { session, agent, human } = caller
  try {
    const text = await deps.answers[name](args, { session, agent: agent.name, human, signal: context.mcpReq.signal })
    return { content: [{ type: 'text' as const, text }] }
  } catch (error) {
    if (!(error instanceof JitError)) deps.log.error('self-service failed', { tool: name, error: String(error) })
    const text = error instanceof JitError && error.code !== 'internal' ? `${error.message}. ${error.hint}` : 'jit could not answer this.'
    return { content: [{ type: 'text' as const, text }], isError: true }
  }
}
