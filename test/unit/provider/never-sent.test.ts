import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { neverSent } from '../../../src/provider/never-sent.ts'

const system = (code: string, syscall?: string): Error => Object.assign(new Error(code), { code }, syscall === undefined ? {} : { syscall })

describe('a failure after which it is certain that nothing was sent', () => {
  it.each<[string, unknown, boolean]>([
    ['nobody listens', system('ECONNREFUSED', 'connect'), true],
    ['no such name', system('ENOTFOUND', 'getaddrinfo'), true],
    ['no way there', system('EHOSTUNREACH', 'connect'), true],
    ['an untrusted certificate, deep in the causes', new Error('fetch failed', { cause: system('UNABLE_TO_VERIFY_LEAF_SIGNATURE') }), true],
    ['a refused address', new Error('fetch failed', { cause: new JitError('egress.upstream', 'x', { details: { sent: false } }) }), true],
    ['the way lost while the answer was read', system('EHOSTUNREACH', 'read'), false],
    ['the way lost while the request was written', system('ENETUNREACH', 'write'), false],
    ['a cut connection', system('ECONNRESET', 'read'), false],
    ['a connection that timed out, at whatever point', system('ETIMEDOUT'), false],
    ['an answer that did not come', new Error('fetch failed', { cause: system('UND_ERR_HEADERS_TIMEOUT') }), false],
    ['a JitError that does not say', new JitError('egress.upstream', 'x'), false],
    ['no error', 'ECONNREFUSED', false],
  ])('%s', (_, error, certain) => {
    expect(neverSent(error)).toBe(certain)
  })

  it('knows what the platform throws for a closed port, on one address and on several', async () => {
    const failure = (host: string): Promise<unknown> => new Promise((resolve) => connect({ host, port: 1 }).once('error', resolve))
    expect(neverSent(await failure('127.0.0.1'))).toBe(true)
    expect(neverSent(await failure('localhost'))).toBe(true)
  })

  it('ends on causes that go round', () => {
    const round = new Error('round')
    round.cause = round
    expect(neverSent(round)).toBe(false)
  })
})
