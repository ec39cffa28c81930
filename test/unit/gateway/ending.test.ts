import { getEventListeners } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { Ending } from '../../../src/gateway/ending.ts'

const cancelled = new JitError('cancelled', 'the client cancelled the call')
const revoked = new JitError('lease.revoked', 'the credential was revoked')

describe('the end of a request', () => {
  it('is told once, with its first reason', () => {
    const ending = new Ending()
    const heard = vi.fn()
    ending.on(heard)
    ending.end(cancelled)
    ending.end(revoked)
    expect(heard.mock.calls).toEqual([[cancelled]])
    expect(ending.reason).toBe(cancelled)
    expect(() => ending.throwIfEnded()).toThrow(cancelled)
  })

  it('is told at once to who asks later, and not to who has left', () => {
    const ending = new Ending()
    const [left, late] = [vi.fn(), vi.fn()]
    ending.on(left)
    ending.off(left)
    ending.end(cancelled)
    ending.on(late)
    expect(left).not.toHaveBeenCalled()
    expect(late).toHaveBeenCalledExactlyOnceWith(cancelled)
  })

  it('aborts the signal that somebody asked for, before or after', () => {
    const [early, late] = [new Ending(), new Ending()]
    const { signal } = early
    expect(signal.aborted).toBe(false)
    early.end(cancelled)
    late.end(revoked)
    expect([signal.reason, early.signal.reason, late.signal.reason]).toEqual([cancelled, cancelled, revoked])
    expect(early.signal).toBe(signal)
  })

  it('comes with the signal that it follows, for that signal’s reason', () => {
    const lease = new AbortController()
    const calls = [new Ending(), new Ending(), new Ending()]
    for (const call of calls) call.follow(lease.signal)
    calls[1]?.unfollow()
    expect(getEventListeners(lease.signal, 'abort')).toHaveLength(1)
    lease.abort(revoked)
    expect(calls.map((call) => call.reason)).toEqual([revoked, undefined, revoked])
  })

  it('comes at once when that signal has ended', () => {
    const lease = new AbortController()
    lease.abort(revoked)
    const call = new Ending()
    call.follow(lease.signal)
    expect(call.reason).toBe(revoked)
  })

  it('that came for another reason is not followed by that of the signal', () => {
    const lease = new AbortController()
    const call = new Ending()
    call.follow(lease.signal)
    call.end(cancelled)
    lease.abort(revoked)
    expect(call.reason).toBe(cancelled)
  })
})
