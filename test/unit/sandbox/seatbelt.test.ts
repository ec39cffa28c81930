import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seatbeltProfile, type SeatbeltPlan } from '../../../src/sandbox/seatbelt.ts'

const plan: SeatbeltPlan = { readable: [], writable: [], hidden: [], fixed: [], ports: [] }
const lines = (more: Partial<SeatbeltPlan>): string[] => seatbeltProfile({ ...plan, ...more }).split('\n')

/** The form only: no Mac has run one of these. */
describe('the profile for macOS', () => {
  it('denies what it does not name', () => {
    expect(lines({}).slice(0, 2)).toEqual(['(version 1)', '(deny default)'])
    expect(lines({}).some((line) => line.includes('network'))).toBe(false)
  })

  it('lets read what is readable, and write what is writable alone', () => {
    const found = lines({ readable: ['/a'], writable: ['/b'] })
    expect(found.filter((line) => line.includes('"/a"'))).toEqual([expect.stringMatching(/^\(allow file-read\* /)])
    expect(found).toContain('(allow file-write* (subpath "/b"))')
  })

  it('hides the broker after all that it allows, and shows again what stands in there for the server', () => {
    const found = lines({
      readable: ['/home', '/home/state/package'],
      writable: ['/home/state/box/home'],
      hidden: ['/home/state'],
      fixed: ['/home/config'],
    })
    const order = [
      '(deny file-write* (subpath "/home/config"))',
      '(deny file-read* file-write* (subpath "/home/state"))',
      '(allow file-read* (subpath "/home/state/package"))',
      '(allow file-read* file-write* (subpath "/home/state/box/home"))',
    ].map((line) => found.indexOf(line))
    expect(order.every((index) => index > 0)).toBe(true)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(found.findIndex((line) => line.startsWith('(allow file-read*') && line.includes('"/home"'))).toBeLessThan(order[0] ?? 0)
  })

  it('reaches the broker’s ports only, or the machine’s network', () => {
    expect(lines({ ports: [8080, 9090] }).filter((line) => line.includes('network'))).toEqual([
      '(allow network-outbound (remote ip "localhost:8080"))',
      '(allow network-outbound (remote ip "localhost:9090"))',
    ])
    expect(lines({ ports: 'all' })).toContain('(allow network*)')
  })

  it('keeps each path within its quotes, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string(), (path) => {
        const text = seatbeltProfile({ ...plan, readable: [`/${path}`] })
        const quoted = /"(?:[^"\\\n]|\\.)*"/g
        expect(text.replace(quoted, 'Q')).toBe(seatbeltProfile({ ...plan, readable: ['/x'] }).replace(quoted, 'Q'))
      }),
    )
  })
})
