import { expect, it } from 'vitest'
import { sparseLog } from '../../../../src/gateway/lane/noise.ts'
import { MemoryLog } from '../../broker/support.ts'

const plain = (text: string): string => text

it('logs the first ten of a message, and then each time that their number has doubled', () => {
  const log = new MemoryLog()
  const warn = sparseLog(log, { server: 'github' }, plain)
  for (let count = 0; count < 1000; count += 1) warn('rubbish', () => 'text')
  expect(log.lines.map(({ fields }) => fields['count'])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 32, 64, 128, 256, 512])
  expect(log.lines[0]?.fields).toEqual({ server: 'github', text: 'text', count: 1 })
})

it('hides nothing behind a flood of another message', () => {
  const log = new MemoryLog()
  const warn = sparseLog(log, {}, plain)
  for (let count = 0; count < 1000; count += 1) warn('rubbish', () => '')
  warn('line over the cap dropped', () => '70 bytes')
  expect(log.lines.at(-1)).toMatchObject({ message: 'line over the cap dropped', fields: { text: '70 bytes', count: 1 } })
})

it('cuts what a server wrote behind the scrubber: no part of a credential is left where it was cut', () => {
  const log = new MemoryLog()
  const warn = sparseLog(log, {}, (text) => text.replaceAll('credential', '-'))
  warn('rubbish', () => `${'x'.repeat(495)}credential${'y'.repeat(9000)}`)
  expect(log.lines[0]?.fields['text']).toBe(`${'x'.repeat(495)}-yyyy`)
})
