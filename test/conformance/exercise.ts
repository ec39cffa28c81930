import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  CreateTaskResultSchema,
  ElicitationCompleteNotificationSchema,
  ElicitRequestSchema,
  GetTaskResultSchema,
  ListRootsRequestSchema,
  type Root,
} from '@modelcontextprotocol/sdk/types.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { Program } from './pipe.ts'

/** What a client saw of server-everything: the same whenever it asks, so that two of them can be compared. */
export interface Conversation {
  readonly server: unknown
  readonly tools: readonly string[]
  /** Answers by what was asked. */
  readonly answers: Readonly<Record<string, unknown>>
  /** What the server asked the client, in order of the verbs that made it ask. */
  readonly asked: readonly string[]
  /** The first step that was reported; the last races with the answer, and the SDK drops what comes after it. */
  readonly progress: number | undefined
}

/** A server as its client reaches it: a program that it starts, or a transport of its own. */
export type Reach = Program | (() => Transport)

/** A client with everything that the revision 2025-11-25 lets a client offer. `roots` may change while it lives. */
export async function openClient(reach: Reach, roots: readonly Root[], asked: string[] = []): Promise<Client> {
  const client = new Client(
    { name: 'exercise', version: '1.0.0' },
    { capabilities: { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } } },
  )
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [...roots] }))
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
    asked.push(`sampling ${JSON.stringify(params.messages)}`)
    return { model: 'none', role: 'assistant', content: { type: 'text', text: 'sampled' } }
  })
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(`elicitation ${params.mode ?? 'form'} ${params.message}`)
    return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } }
  })
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, () => void asked.push('elicitation complete'))
  await client.connect(typeof reach === 'function' ? reach() : overStdio(reach))
  return client
}

function overStdio({ command, args, env }: Program): Transport {
  return new StdioClientTransport({ command, args: [...args], ...(env === undefined ? {} : { env: { ...env } }), stderr: 'ignore' })
}

/** Asks a server-everything for one of each: every verb a client has, and every tool that makes the server ask back. */
export async function exercise(reach: Reach): Promise<Conversation> {
  const asked: string[] = []
  const progress: number[] = []
  const client = await openClient(reach, [{ uri: 'file:///work', name: 'work' }], asked)
  const call = (name: string, input: Record<string, unknown> = {}): Promise<unknown> => client.callTool({ name, arguments: input })
  try {
    // It registers the tools that need a capability only once it has seen the client's roots.
    await client.callTool({ name: 'get-roots-list', arguments: {} }).catch(() => undefined)
    const { tools } = await client.listTools()
    const answers = {
      ping: await client.ping(),
      prompts: await client.listPrompts(),
      prompt: await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Ulm', state: 'BW' } }),
      resources: await client.listResources(),
      templates: await client.listResourceTemplates(),
      resource: await client.readResource({ uri: 'demo://resource/static/document/architecture.md' }),
      missing: await client.readResource({ uri: 'demo://resource/none' }).catch(described),
      subscribe: await client.subscribeResource({ uri: 'demo://resource/dynamic/text/1' }),
      unsubscribe: await client.unsubscribeResource({ uri: 'demo://resource/dynamic/text/1' }),
      level: await client.setLoggingLevel('warning'),
      completion: await client.complete({
        ref: { type: 'ref/prompt', name: 'completable-prompt' },
        argument: { name: 'department', value: 'E' },
      }),
      echo: await call('echo', { message: 'grüße 👋' }),
      sum: await call('get-sum', { a: 2, b: 3 }),
      wrong: await call('get-sum', { a: 'two' }).catch(described),
      image: await call('get-tiny-image'),
      annotated: await call('get-annotated-message', { messageType: 'error', includeImage: true }),
      structured: await call('get-structured-content', { location: 'Chicago' }),
      links: await call('get-resource-links', { count: 2 }),
      roots: await call('get-roots-list'),
      sampling: await call('trigger-sampling-request', { prompt: 'hello', maxTokens: 10 }),
      elicitation: await call('trigger-elicitation-request'),
      url: await call('trigger-url-elicitation', { url: 'https://example.com/consent', elicitationId: 'e1' }),
      long: await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } }, undefined, {
        onprogress: (notification) => void progress.push(notification.progress),
      }),
    }
    return { server: client.getServerVersion(), tools: tools.map(({ name }) => name).sort(), answers, asked, progress: progress[0] }
  } finally {
    await client.close()
  }
}

/** A call that becomes a task: the client is told its id at once, and asks for the result until there is one. */
export async function runTask(client: Client): Promise<unknown> {
  const params = { name: 'simulate-research-query', arguments: { topic: 'proxies' }, task: { ttl: 60_000 } }
  const { task } = await client.request({ method: 'tools/call', params }, CreateTaskResultSchema)
  const result = await client.request({ method: 'tasks/result', params: { taskId: task.taskId } }, CallToolResultSchema)
  const { status } = await client.request({ method: 'tasks/get', params: { taskId: task.taskId } }, GetTaskResultSchema)
  return { begun: task.status, status, content: result.content }
}

export function described(error: unknown): unknown {
  return error instanceof Error ? { code: Reflect.get(error, 'code'), message: error.message } : error
}
