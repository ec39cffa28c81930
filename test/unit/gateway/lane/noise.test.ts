import { expect, it } from 'vitest'
import { sparseLog } from '../../../../src/gateway/lane/noise.ts'
import { MemoryLog } from '../../broker/support.ts'

it('logs the first ten of a message, and then each time that their number has doubled', () => {
  const log = new MemoryLog()
  const warn = sparseLog(log, { server: 'github' })
  for (let count = 0; count < 1000; count += 1) warn('rubbish', () => 'text')
  expect(log.lines.map(({ fields }) => fields['count'])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 32, 64, 128, 256, 512])
  expect(log.lines[0]?.fields).toEqual({ server: 'github', text: 'text', count: 1 })
})

it('hides nothing behind a flood of another message', () => {
  const log = new MemoryLog()
  const warn = sparseLog(log, {})
  for (let count = 0; count < 1000; count += 1) warn('rubbish', () => '')
  warn('line over the cap dropped', () => '70 bytes')
  expect(log.lines.at(-1)).toMatchObject({ message: 'line over the cap dropped', fields: { text: '70 bytes', count: 1 } })
})
