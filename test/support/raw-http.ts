import { connect } from 'node:net'
import fc, { type Arbitrary } from 'fast-check'

/** What the requests of a property are made of. */
export interface RawParts {
  /** First lines of requests, `METHOD target HTTP/1.1`, that get through, and others. */
  readonly starts: readonly string[]
  readonly oddStarts?: readonly string[]
  /** Whole header lines, good and bad ones. */
  readonly headers: readonly string[]
  /** Header lines that a request has most of the time, so that some get through. */
  readonly usual: readonly string[]
  /** Bodies as a good client sends them. */
  readonly bodies: readonly string[]
  /** A whole request that stands within bodies: who reads it as a request was led astray. */
  readonly inner: string
}

export interface RawBytes {
  readonly text: string
  /** Some request delimits its body in a way that makes what is behind it another request, or a byte was changed: `inner` may be one. */
  readonly loose: boolean
}

interface Framing {
  readonly headers: readonly string[]
  readonly wire: string
  readonly loose: boolean
}

/** Ways to say where a body ends, of which all but the first three are none. */
const framings: readonly ((body: string) => Framing)[] = [
  (body) => strict([`Content-Length: ${body.length}`], body),
  (body) => strict(['Transfer-Encoding: chunked'], chunks(body, 7)),
  (body) => strict(['Transfer-Encoding: chunked'], chunks(body, body.length, ';name="0\\r\\n"', 'X-Trailer: 1\r\n')),
  (body) => strict([`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked', 'Content-Length: 4'], `0\r\n\r\n${body}`),
  (body) => strict([`Content-Length: 0`, `Content-Length: ${body.length}`], body),
  (body) => strict([`Content-Length: ${body.length}, 0`], body),
  (body) => strict([`Content-Length: +0`], body),
  (body) => strict([`Content-Length: 0x0`], body),
  (body) => strict([`Content-Length: -1`], body),
  (body) => strict(['Content-Length: 99999999999999999999'], body),
  (body) => strict(['Transfer-Encoding: xchunked'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: identity, chunked, identity'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding : chunked'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding:\x0bchunked'], `0\r\n\r\n${body}`),
  (body) => strict(['X: y\nTransfer-Encoding: chunked'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding:', ' chunked'], `0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked'], `0x0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked'], `-0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked'], `fffffffffffffffff\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked'], `5\r\nabcdefg\r\n0\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked'], `0;a\nb\r\n\r\n${body}`),
  (body) => strict(['Transfer-Encoding: chunked', 'Upgrade: h2c', 'Connection: Upgrade'], chunks(body, 3)),
  (body) => strict([`Content-Length: ${body.length}`, 'Expect: 100-continue'], body),
  (body) => strict([`Content-Length: ${body.length}`, 'Expect: nothing'], body),
  // What is too short is a body and another request, and was said so.
  (body) => ({ headers: ['Content-Length: 0'], wire: body, loose: true }),
  (body) => ({ headers: [], wire: body, loose: true }),
  (body) => ({ headers: ['Transfer-Encoding: chunked'], wire: `0\r\n\r\n${body}`, loose: true }),
]

function strict(headers: readonly string[], wire: string): Framing {
  return { headers, wire, loose: false }
}

function chunks(body: string, size: number, extension = '', trailer = ''): string {
  let wire = ''
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size)
    wire += `${part.length.toString(16)}${extension}\r\n${part}\r\n`
  }
  return `${wire}0\r\n${trailer}\r\n`
}

/** One to three requests in one packet, whole, cut off, or with a byte changed. */
export function rawBytes({ starts, oddStarts = starts, headers, usual, bodies, inner }: RawParts): Arbitrary<RawBytes> {
  const odd = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...headers) },
    { weight: 1, arbitrary: fc.string({ maxLength: 20, unit: 'binary' }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(`X-Long: ${'a'.repeat(40_000)}`, Array.from({ length: 200 }, (_, at) => `X-${at}: a`).join('\r\n')),
    },
  )
  const end = fc.oneof(
    { weight: 40, arbitrary: fc.constant('\r\n') },
    { weight: 1, arbitrary: fc.constantFrom('\n', '\r', ' \r\n', '\0\r\n', '\r\n ') },
  )
  const request = fc
    .record({
      start: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...starts) }, { weight: 1, arbitrary: fc.constantFrom(...oddStarts) }),
      base: fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.subarray([...usual]) }),
      more: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(odd, { maxLength: 2 }) }),
      order: fc.boolean(),
      end,
      framing: fc.oneof(fc.constant(undefined), fc.constantFrom(...framings.slice(0, 3)), {
        weight: 2,
        arbitrary: fc.constantFrom(...framings),
      }),
      body: fc.constantFrom(...bodies, inner, `0\r\n\r\n${inner}`, `${inner}${inner}`),
    })
    .map((made): RawBytes => {
      const framing = made.framing?.(made.body) ?? { headers: [], wire: '', loose: false }
      const lines = made.order ? [...made.base, ...framing.headers, ...made.more] : [...made.more, ...framing.headers, ...made.base]
      return {
        text: `${[made.start, ...lines].join(made.end)}${made.end}${made.end}${framing.wire}`,
        // A header of chance, or another line end, may say where the body ends.
        loose: framing.loose || made.more.length > 0 || made.end !== '\r\n',
      }
    })
  const change = fc.oneof(
    { weight: 4, arbitrary: fc.constant((text: string) => text) },
    { weight: 1, arbitrary: fc.nat().map((at) => (text: string) => text.slice(0, at % (text.length + 1))) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => (text: string) => {
        const place = at % Math.max(1, text.length)
        return text.slice(0, place) + String.fromCharCode(byte) + text.slice(place + 1)
      }),
    },
  )
  return fc.tuple(fc.array(request, { minLength: 1, maxLength: 3 }), change).map(([requests, alter]) => {
    const text = requests.map((one) => one.text).join('')
    const altered = alter(text)
    return { text: altered, loose: requests.some((one) => one.loose) || (altered !== text && !text.startsWith(altered)) }
  })
}

/** All that comes back until the other side closes, or says no more for `patience` milliseconds: then it is given up. */
export function speak(port: number, text: string, patience: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let got = ''
    const done = (): void => {
      socket.destroy()
      resolve(got)
    }
    socket.setTimeout(patience, done)
    socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')))
    socket.once('close', done).on('error', done)
    socket.write(Buffer.from(text, 'latin1'))
  })
}
