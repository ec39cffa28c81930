import { describe, expect, it } from 'vitest'
import { acceptOf } from '../../../../src/gateway/http/head.ts'

describe('what a client takes', () => {
  it.each([
    [undefined, true, true],
    ['application/json, text/event-stream', true, true],
    ['text/event-stream, application/json;q=0.5', true, true],
    ['*/*', true, true],
    ['application/json', true, false],
    ['TEXT/EVENT-STREAM', false, true],
    ['text/*', false, true],
    ['application/json;q=0, text/event-stream', false, true],
    ['application/jsonx, text/html', false, false],
    ['', false, false],
  ])('%j', (header, json, events) => {
    expect(acceptOf(header)).toEqual({ json, events })
  })
})
