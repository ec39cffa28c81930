import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { linesForward } from '../../../src/audit/lines.ts'
import { temporaryFolder } from './support.ts'

it('a line of many megabytes, which the log never writes, costs no more than some copies of it', async () => {
  const length = 24 * 1024 * 1024
  const file = join(temporaryFolder(), 'lines')
  writeFileSync(file, Buffer.concat([Buffer.alloc(length, 'x'), Buffer.from('\n{}')]))
  const taken = vi.spyOn(Buffer, 'allocUnsafe')
  const found: number[] = []
  for await (const lines of linesForward(file)) found.push(...lines.map(({ bytes }) => bytes.length))
  const bytes = taken.mock.calls.reduce((sum, [size]) => sum + size, 0)
  taken.mockRestore()
  expect(found).toEqual([length, 2])
  expect(bytes).toBeLessThan(8 * length)
})
