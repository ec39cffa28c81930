import { expect, it } from 'vitest'
import { Room } from '../../../src/egress/room.ts'

it('gives room of its own and of the wider one, and takes neither where one of them is full', () => {
  const all = new Room(10)
  const [left, right] = [new Room(8, all), new Room(8, all)]
  expect([left.take(9), left.take(8), left.take(1)]).toEqual([false, true, false])
  expect([right.take(3), right.take(2), right.take(1)]).toEqual([false, true, false])
  left.give(8)
  expect([right.take(6), right.take(1), left.take(2), left.take(1)]).toEqual([true, false, true, false])
})
