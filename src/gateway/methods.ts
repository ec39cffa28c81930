import { JitError, quote } from '../core/errors.ts'

interface Methods {
  readonly requests: ReadonlySet<string>
  readonly notifications: ReadonlySet<string>
}

/**
 * The methods of the MCP revisions 2024-11-05, 2025-03-26, 2025-06-18 and 2025-11-25 by who sends them. What stands in none of
 * these lists goes nowhere: nobody has thought about what it may do.
 */
export const fromClient: Methods = {
  requests: new Set([
    'initialize',
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
    'tasks/get',
    'tasks/result',
    'tasks/list',
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
    'notifications/tasks/status',
  ]),
}

export function unknownMethod(method: string): JitError {
  return new JitError('message.unknown', `jit does not know the method ${quote(method)}`)
}
