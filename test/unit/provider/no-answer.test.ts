import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { noAnswer } from '../../../src/provider/no-answer.ts'
import { redact } from '../../../src/provider/redact.ts'
import { expectNoTrace, inAllSpellings } from '../../support/echo.ts'

const secret = new Secret('s3cret/canary+4242')

describe('a stranger’s text', () => {
  it('loses what the request carried, in every spelling', () => {
    const text = redact(inAllSpellings('Authorization: Basic s3cret/canary+4242'), [undefined, secret])
    expectNoTrace(text, 's3cret/canary+4242')
    expect(text.match(/\[redacted by jit\]/g)).toHaveLength(4)
  })

  it('loses a secret from a file without its line break too, and a short password as it is', () => {
    expect(redact('canary-4242 and abc', [new Secret('canary-4242\n'), new Secret('abc'), new Secret('')])).toBe(
      '[redacted by jit] and [redacted by jit]',
    )
  })
})

describe('a request without an answer', () => {
  const hint = 'List it: `network.hosts: …`.'
  const network = new JitError('egress.upstream', '"127.0.0.1:8200": clear text goes nowhere', { hint, details: { sent: false } })

  it('says once why, in the words of the network, with its hint', () => {
    const wrapped = new Error('fetch failed', { cause: new TypeError(`${network.message} (egress.upstream)`, { cause: network }) })
    expect(noAnswer('Vault gave no answer', wrapped)).toMatchObject({
      code: 'provider.unavailable',
      message: 'Vault gave no answer: "127.0.0.1:8200": clear text goes nowhere',
      hint,
      details: { sent: false },
    })
  })

  it('quotes what else was thrown, without what was carried and without saying it twice', () => {
    const thrown = new TypeError('fetch failed', { cause: new Error(`read s3cret/canary+4242\u001b[2J`) })
    expect(noAnswer('none', thrown, [secret])).toMatchObject({
      message: 'none: "fetch failed: read [redacted by jit]\\u001b[2J"',
      details: {},
    })
    expect(noAnswer('none', new Error('closed', { cause: new Error('closed') })).message).toBe('none: "closed"')
    expect(noAnswer('none', 'odd').message).toBe('none: "odd"')
  })

  it('shows no control character of a certificate’s names', () => {
    expect(noAnswer('none', new JitError('egress.upstream', 'x')).message).toBe('x')
    const odd = new Error('x', { cause: new JitError('egress.upstream', 'altnames: DNS:\u001b[2J') })
    expect(noAnswer('none', odd).message).toBe('none: "altnames: DNS:\\u001b[2J"')
  })
})
