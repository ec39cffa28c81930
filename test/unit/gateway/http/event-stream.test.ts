import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventStream } from '../../../../src/gateway/upstream/http/event-stream.ts'

interface Heard {
  readonly events: [name: string, data: string][]
  readonly tooLong: [bytes: number, head: string][]
  readonly retries: number[]
  readonly lastId: string
  /** Events that held nothing but an id. */
  readonly primed: number
}

function hear(chunks: readonly Buffer[], cap = 1000): Heard {
  const [events, tooLong, retries]: [Heard['events'], Heard['tooLong'], number[]] = [[], [], []]
  let primed = 0
  const stream = new EventStream(cap, {
    onPrimed: () => void (primed += 1),
    onEvent: (name, data) => void events.push([name, data.toString()]),
    onTooLong: (bytes, head) => void tooLong.push([bytes, head.toString()]),
    onRetry: (delay) => void retries.push(delay),
  })
  for (const chunk of chunks) stream.read(chunk)
  return { events, tooLong, retries, lastId: stream.lastId, primed }
}

const whole = (text: string, cap?: number): Heard => hear([Buffer.from(text)], cap)

/** Cuts bytes at the places given. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((left, right) => left - right)
  return [...sorted, bytes.length].map((end, index) => bytes.subarray(sorted[index - 1] ?? 0, end))
}

describe('an event stream', () => {
  it.each([
    ['an id and empty data', 'id: 1\ndata: \n\n', 1],
    ['an id alone', 'id: 1\nretry: 5\n\n', 1],
    ['an id with data', 'id: 1\ndata: x\n\n', 0],
    ['empty data alone', 'data: \n\n', 0],
    ['an id that no header can carry', 'id: \u{1f600}\ndata: \n\n', 0],
  ])('says that it can be asked for again: %s', (_, text, primed) => {
    expect(whole(text).primed).toBe(primed)
  })

  it.each([
    ['one event', 'data: {"a":1}\n\n', [['message', '{"a":1}']]],
    [
      'CRLF',
      'data: x\r\n\r\ndata: y\r\n\r\n',
      [
        ['message', 'x'],
        ['message', 'y'],
      ],
    ],
    [
      'CR',
      'data: x\r\rdata: y\r\r',
      [
        ['message', 'x'],
        ['message', 'y'],
      ],
    ],
    [
      'all three line ends in one stream',
      'data: x\n\rdata: y\r\n\r\ndata: z\n\n',
      [
        ['message', 'x'],
        ['message', 'y'],
        ['message', 'z'],
      ],
    ],
    ['a byte order mark', '\ufeffdata: x\n\n', [['message', 'x']]],
    ['a byte order mark that is not the first thing', 'data: x\n\n\ufeffdata: y\n\n', [['message', 'x']]],
    ['several lines of data, which become one', 'data: {\ndata: "a": 1\ndata: }\n\n', [['message', '{ "a": 1 }']]],
    [
      'no space behind the colon, and two',
      'data:x\n\ndata:  y\n\n',
      [
        ['message', 'x'],
        ['message', ' y'],
      ],
    ],
    ['comments', ': keep alive\n\ndata: x\n: more\n\n', [['message', 'x']]],
    ['other fields', 'date: y\nDATA: z\ndata\ndata: x\nfoo\n\n', [['message', ' x']]],
    [
      'a name',
      'event: endpoint\ndata: /m?s=1\n\ndata: x\n\n',
      [
        ['endpoint', '/m?s=1'],
        ['message', 'x'],
      ],
    ],
    ['an event without data', 'event: ping\n\nid: 7\ndata:\n\ndata: x\n\n', [['message', 'x']]],
    ['an event that does not end', 'data: x\n\ndata: y', [['message', 'x']]],
  ])('is read with %s', (_, text, events) => {
    expect(whole(text).events).toEqual(events)
  })

  it('keeps the id of the last event that ended, one without data too', () => {
    expect(whole('id: 1\ndata: x\n\nid: 2\ndata:\n\nid: 3\n').lastId).toBe('2')
    expect(whole('id: 1\ndata: x\n\ndata: y\n\n').lastId).toBe('1')
    expect(whole('id: 1\ndata: x\n\nid: a\0b\ndata: y\n\n').lastId).toBe('1')
  })

  it.each([['é'], ['x'.repeat(1025)], ['\u0007']])('takes an id that no header carries for none', (id) => {
    expect(whole(`id: 1\ndata: x\n\nid: ${id}\ndata: y\n\n`).lastId).toBe('')
  })

  it('hears how long to wait, from digits only', () => {
    expect(whole('retry: 10\nretry: -1\nretry: 1e3\nretry: \nretry: 99999999999\n\n').retries).toEqual([10])
  })

  it('passes over an event that is too long, says how long it was, and goes on behind it', () => {
    expect(whole(`data: ${'x'.repeat(1001)}\n\ndata: y\n\n`)).toMatchObject({
      tooLong: [[1001, 'x'.repeat(300)]],
      events: [['message', 'y']],
    })
    expect(whole(`${'data: abc\n'.repeat(500)}\ndata: y\n\n`)).toMatchObject({
      tooLong: [[1999, expect.stringMatching(/^abc abc/)]],
      events: [['message', 'y']],
    })
    expect(whole(`data: ${'x'.repeat(1000)}\n\n`).events).toEqual([['message', 'x'.repeat(1000)]])
  })

  it('does not keep a line that never ends', () => {
    const before = process.memoryUsage().arrayBuffers
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const chunks = [Buffer.from('data: '), ...Array.from({ length: 4000 }, () => chunk), Buffer.from('\n\ndata: y\n\n')]
    const heard = hear(chunks)
    expect(heard.tooLong).toEqual([[4000 * chunk.length, 'x'.repeat(300)]])
    expect(heard.events).toEqual([['message', 'y']])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  })

  it('reads the same wherever it is cut', () => {
    const text = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            '\n',
            '\r',
            '\r\n',
            '\n\n',
            '\r\n\r\n',
            'data: ',
            'data:',
            'id: 1',
            'event: e',
            'retry: 5',
            ': c',
            '\ufeff',
            ' ',
            '{"a":"é"}',
          ),
          fc.string({ maxLength: 8 }),
        ),
        { maxLength: 40 },
      )
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, fc.array(fc.nat()), (given, places) => {
        const bytes = Buffer.from(given)
        const once = hear([bytes], 20)
        expect(hear(cut(bytes, places), 20)).toEqual(once)
        expect(
          hear(
            Array.from(bytes, (byte) => Buffer.from([byte])),
            20,
          ),
        ).toEqual(once)
        expect(once.events.every(([, data]) => !/[\r\n]/.test(data))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('reads an event cut at every byte, two chunks each time', () => {
    const bytes = Buffer.from('\ufeffid: 7\r\nevent: message\r\ndata: {"jsonrpc":"2.0",\r\ndata: "é":1}\r\n\r\n')
    for (let place = 0; place <= bytes.length; place += 1)
      expect(hear([bytes.subarray(0, place), bytes.subarray(place)])).toMatchObject({
        events: [['message', '{"jsonrpc":"2.0", "é":1}']],
        lastId: '7',
      })
  })
})
