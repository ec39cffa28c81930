import { JitError, quote } from '../../core/errors.ts'

interface Methods {
  readonly requests: ReadonlySet<string>
  readonly notifications: ReadonlySet<string>
}

/**
 * The methods of the MCP revisions 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28, and of its tasks extension, by
 * who sends them. What stands in none of these lists goes nowhere unless the config names it: nobody has thought about what it
 * may do.
 */
export const fromClient: Methods = {
  requests: new Set([
    'initialize',
    'server/discover',
    'ping',
    'tools/list',
    'tools/call',
    'resources/list',
    'resources/templates/list',
    'resources/read',
    'resources/subscribe',
    'resources/unsubscribe',
    'prompts/list',
    'prompts/get',
    'completion/complete',
    'logging/setLevel',
    'subscriptions/listen',
    'tasks/get',
    'tasks/result',
    'tasks/list',
    'tasks/update',
    'tasks/cancel',
  ]),
  notifications: new Set([
    'notifications/initialized',
    'notifications/cancelled',
    'notifications/progress',
    'notifications/roots/list_changed',
    'notifications/tasks/status',
  ]),
}

export const fromServer: Methods = {
  requests: new Set([
    'ping',
    'sampling/createMessage',
    'elicitation/create',
    'roots/list',
    'tasks/get',
    'tasks/result',
    'tasks/list',
    'tasks/cancel',
  ]),
  notifications: new Set([
    'notifications/cancelled',
    'notifications/progress',
    'notifications/message',
    'notifications/resources/updated',
    'notifications/resources/list_changed',
    'notifications/tools/list_changed',
    'notifications/prompts/list_changed',
    'notifications/elicitation/complete',
    'notifications/subscriptions/acknowledged',
    'notifications/tasks/status',
    'notifications/tasks',
  ]),
}

const named = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

/** Key of the params that `Mcp-Name` repeats (2026-07-28); undefined for methods without that header. */
export function nameKeyOf(method: string): string | undefined {
  return named.get(method)
}

const protocol: ReadonlySet<string> = new Set(
  [fromClient, fromServer].flatMap(({ requests, notifications }) => [...requests, ...notifications].map((name) => name.toLowerCase())),
)

/** Whether the config lets this method of a vendor pass. What the protocol has, in whatever spelling, is no vendor's. */
export function isVendor(method: string, allowed: readonly string[]): boolean {
  return allowed.includes(method) && !protocol.has(method.trim().toLowerCase())
}

export function unknownMethod(method: string): JitError {
  return new JitError('message.unknown', `jit does not know the method ${quote(method)}`)
}
