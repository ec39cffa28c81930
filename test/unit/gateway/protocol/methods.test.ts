import {
  ClientNotificationSchema,
  ClientRequestSchema,
  ServerNotificationSchema,
  ServerRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, it } from 'vitest'
import { fromClient, fromServer, isVendor, unknownMethod } from '../../../../src/gateway/protocol/methods.ts'

describe('the methods that jit knows', () => {
  it.each([
    ['requests of a client', fromClient.requests, ClientRequestSchema, ['server/discover', 'subscriptions/listen', 'tasks/update']],
    ['notifications of a client', fromClient.notifications, ClientNotificationSchema, []],
    ['requests of a server', fromServer.requests, ServerRequestSchema, []],
    [
      'notifications of a server',
      fromServer.notifications,
      ServerNotificationSchema,
      ['notifications/subscriptions/acknowledged', 'notifications/tasks'],
    ],
  ])('are, of %s, those of the revisions with a handshake, and those that 2026-07-28 and its tasks brought', (_, known, schema, newer) => {
    const defined = schema.options.map(({ shape }) => shape.method.value)
    expect([...known].sort()).toEqual([...defined, ...newer].sort())
  })

  it('are never a vendor’s, whatever the config says', () => {
    const all = [...fromClient.requests, ...fromServer.requests, ...fromClient.notifications, ...fromServer.notifications]
    for (const method of [...all, 'Tools/Call', ' tools/call', 'TASKS/GET']) expect(isVendor(method, [method])).toBe(false)
    expect(isVendor('acme/reindex', ['acme/reindex'])).toBe(true)
    expect(isVendor('acme/Reindex', ['acme/reindex'])).toBe(false)
  })

  it('lead to an error that quotes a stranger’s name, cut', () => {
    expect(unknownMethod('a\u001b[2J').message).toBe('jit does not know the method "a\\u001b[2J"')
    expect(unknownMethod('x'.repeat(10_000)).message.length).toBeLessThan(200)
  })
})
