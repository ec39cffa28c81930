import { beforeEach, describe, expect, it } from 'vitest'
import { JitError } from '../../../../src/core/errors.ts'
import { KnownTools } from '../../../../src/gateway/call/known-tools.ts'
import { Ending } from '../../../../src/gateway/ending.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const left = new JitError('cancelled', 'the client went away')
const annotated = { name: 'say', inputSchema: { type: 'object', properties: { repo: { type: 'string', 'x-mcp-header': 'Repo' } } } }

let clock: FakeClock
let digest: string
let known: KnownTools
/** Lists that were asked for, in order; each is answered by its test. */
let asked: ((isOver: boolean) => void)[]

beforeEach(() => {
  clock = new FakeClock()
  digest = 'first'
  asked = []
  known = new KnownTools({ clock, policy: () => ({ servers: new Map([['remote', { digest }]]) }) })
})

const learn = (ending = new Ending()): Promise<void> =>
  known.learn('remote', 'say', ending, () => new Promise((resolve) => void asked.push(resolve)))
const listed = (): void => known.of('remote').learn({ result: { tools: [annotated] } })
/** Lets what waits go on. */
const turn = (): Promise<void> => clock.advance(0)

describe('what a server’s tools want in headers', () => {
  it('is asked for once by all who need it at a time', async () => {
    const waiting = [learn(), learn(), learn()]
    await turn()
    expect(asked).toHaveLength(1)
    listed()
    asked[0]?.(true)
    await Promise.all(waiting)
    await learn()
    expect(asked).toHaveLength(1)
  })

  it('is not asked for again for ten seconds when the server does not say it', async () => {
    const first = learn()
    asked[0]?.(true)
    await first
    await learn()
    await clock.advance(9999)
    await learn()
    expect(asked).toHaveLength(1)
    await clock.advance(1)
    void learn()
    expect(asked).toHaveLength(2)
  })

  it('is asked for by another when the one who asked has left, and by each no more than once', async () => {
    const first = new Ending()
    const waiting = [learn(first), learn(), learn()]
    first.end(left)
    asked[0]?.(false)
    await waiting[0]
    await turn()
    expect(asked).toHaveLength(2)
    asked[1]?.(false)
    await turn()
    expect(asked).toHaveLength(3)
    asked[2]?.(false)
    await Promise.all(waiting)
    expect(asked).toHaveLength(3)
  })

  it('keeps nobody who has left', async () => {
    void learn()
    const ending = new Ending()
    const waiting = learn(ending)
    ending.end(left)
    await waiting
    expect(asked).toHaveLength(1)
  })

  it('is forgotten with the config that it was learnt under, and when a call showed that it is wrong', async () => {
    listed()
    expect(known.of('remote').wantedBy('say')).toHaveLength(1)
    known.unlearn('remote', 'say')
    expect(known.of('remote').wantedBy('say')).toBeUndefined()
    listed()
    digest = 'second'
    expect(known.of('remote').wantedBy('say')).toBeUndefined()
    const waiting = learn()
    listed()
    asked[0]?.(true)
    await waiting
    // Just asked for: the fault is elsewhere.
    known.unlearn('remote', 'say')
    expect(known.of('remote').wantedBy('say')).toHaveLength(1)
  })
})
