import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Tokens } from '../../../../src/gateway/http/tokens.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryStore } from '../../../support/memory-store.ts'

const day = 86_400_000
const text = (letter: string): string => `jit_mcp_${letter.repeat(43)}`
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')
const log = { debug() {}, info() {}, warn() {}, error() {} }

function open(store = new MemoryStore(), clock = new FakeClock()) {
  const ended: string[] = []
  const tokens = new Tokens({ store, clock, log, onEnd: ({ name }) => void ended.push(name) })
  const add = (name: string, letter: string, life = 0) =>
    tokens.add(
      { name, hash: hashOf(text(letter)), servers: [], addedAt: clock.now(), expiresAt: life === 0 ? 0 : clock.now() + life },
      () => undefined,
    )
  return { tokens, clock, store, ended, add }
}

describe('tokens', () => {
  it('are found by what is shown, after a restart too', () => {
    const { store, clock, add } = open()
    add('a', 'a')
    add('b', 'b')
    const { tokens } = open(store, clock)
    expect(tokens.find(`Bearer ${text('b')}`)?.name).toBe('b')
    expect(tokens.find(`bearer  ${text('a')}`)?.name).toBe('a')
  })

  it.each([
    undefined,
    '',
    text('a'),
    `Basic ${text('a')}`,
    `Bearer ${text('a')}x`,
    `Bearer ${text('a').slice(0, -1)}`,
    `Bearer ${text('a')} ${text('a')}`,
    `Bearer ${text('b')}`,
    `Bearer ${hashOf(text('a'))}`,
  ])('are not found by %j', (header) => {
    const { tokens, add } = open()
    add('a', 'a')
    expect(tokens.find(header)).toBeUndefined()
  })

  it('end in time, also when that is further away than a timer reaches', async () => {
    const { tokens, clock, ended, add } = open()
    add('a', 'a', 30 * day)
    clock.jumpWall(-day)
    await clock.advance(30 * day)
    expect(ended).toEqual([])
    expect(tokens.find(`Bearer ${text('a')}`)?.name).toBe('a')
    await clock.advance(day)
    expect(ended).toEqual(['a'])
    expect(tokens.find(`Bearer ${text('a')}`)).toBeUndefined()
  })

  it('end minutes after a sleep in which their time ran out, and stay so when the clock is set back', async () => {
    const { tokens, clock, ended, add } = open()
    const token = add('a', 'a', day / 2)
    clock.jumpWall(day)
    await clock.advance(5 * 60_000)
    expect(ended).toEqual(['a'])
    clock.jumpWall(-day)
    expect(tokens.find(`Bearer ${text('a')}`)).toBeUndefined()
    expect(tokens.isGone(token)).toBe(true)
  })

  it('are refused at once when they are removed, even when the disk does not take it', () => {
    const { tokens, store, ended, add } = open()
    add('a', 'a')
    store.fail()
    expect(() => tokens.remove('a')).toThrow('refuse')
    expect(tokens.find(`Bearer ${text('a')}`)).toBeUndefined()
    expect(ended).toEqual(['a'])
  })

  it('do not count when the trail does not take them', () => {
    const { tokens, clock } = open()
    const row = { name: 'a', hash: hashOf(text('a')), servers: [], addedAt: clock.now(), expiresAt: 0 }
    expect(() =>
      tokens.add(row, () => {
        throw new Error('the trail is full')
      }),
    ).toThrow('full')
    expect(tokens.find(`Bearer ${text('a')}`)).toBeUndefined()
  })

  it('have names of their own', () => {
    const { add } = open()
    add('a', 'a')
    expect(() => add('a', 'b')).toThrow('already')
  })
})
