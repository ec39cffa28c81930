import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventText } from '../../../../src/gateway/http/sse.ts'

/** As the HTML standard reads an event stream, for one event. */
function read(text: string): { id: string; event: string; retry: string; data: string | undefined } {
  const fields = { id: '', event: '', retry: '' }
  const data: string[] = []
  const lines = text.split(/\r\n|\r|\n/)
  expect(lines.slice(-2)).toEqual(['', ''])
  for (const line of lines.slice(0, -2)) {
    expect(line).not.toBe('')
    const [, name = '', value = ''] = /^([a-z]+): (.*)$/s.exec(line) ?? []
    if (name === 'data') data.push(value)
    else if (name === 'id' || name === 'event' || name === 'retry') fields[name] = value
    else throw new Error(`a line that is no field: ${line}`)
  }
  return { ...fields, data: data.length === 0 ? undefined : data.join('\n') }
}

describe('an event', () => {
  it('is one event, whatever JSON it carries', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', ' ', '\n', '\r\n', '\r'), (json, space) => {
        const found = read(eventText(`${space}${json}${space}`, { id: '1-2' }))
        expect(JSON.parse(found.data ?? '')).toEqual(JSON.parse(json))
        expect(found.id).toBe('1-2')
      }),
    )
  })

  it('is no longer than what it carries, however many line breaks a server puts between its tokens', () => {
    const text = eventText(`{"a":${'\r'.repeat(1_000_000)}1${'\n\r\n'.repeat(1000)}}`)
    expect(text).toBe('data: {"a": 1 }\n\n')
  })

  it('has the fields that it was given', () => {
    expect(eventText('{}', { event: 'message', id: '0-1', retry: 1000 })).toBe('event: message\nid: 0-1\nretry: 1000\ndata: {}\n\n')
    expect(eventText('')).toBe('data: \n\n')
  })
})
