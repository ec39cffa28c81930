import {
  ClientNotificationSchema,
  ClientRequestSchema,
  ServerNotificationSchema,
  ServerRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, it } from 'vitest'
import { fromClient, fromServer, unknownMethod } from '../../../src/gateway/methods.ts'

describe('the methods that jit knows', () => {
  it.each([
    ['requests of a client', fromClient.requests, ClientRequestSchema],
    ['notifications of a client', fromClient.notifications, ClientNotificationSchema],
    ['requests of a server', fromServer.requests, ServerRequestSchema],
    ['notifications of a server', fromServer.notifications, ServerNotificationSchema],
  ])('are, of %s, those of the protocol', (_, known, schema) => {
    const defined = schema.options.map(({ shape }) => shape.method.value)
    expect([...known].sort()).toEqual([...defined].sort())
  })

  it('lead to an error that quotes a stranger’s name, cut', () => {
    expect(unknownMethod('a\u001b[2J').message).toBe('jit does not know the method "a\\u001b[2J"')
    expect(unknownMethod('x'.repeat(10_000)).message.length).toBeLessThan(200)
  })
})
