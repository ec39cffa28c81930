import { expect, it } from 'vitest'
import { openBench } from './support.ts'

it('a server that cannot be asked for its tools has that as its last error, until it can', async () => {
  const bench = await openBench()
  bench.behaviour = { onInitialize: 'refuse' }
  await expect(bench.gateway.tools('hostile')).rejects.toThrow('initialize')
  expect(bench.gateway.lastError('hostile')).toContain('initialize')
  bench.behaviour = {}
  expect(await bench.gateway.tools('hostile')).not.toEqual([])
  expect(bench.gateway.lastError('hostile')).toBe('')
})

it('that jit is locked is no error of the server', async () => {
  const bench = await openBench()
  bench.broker.locked = true
  await expect(bench.gateway.tools('hostile')).rejects.toThrow('locked')
  expect(bench.gateway.lastError('hostile')).toBe('')
})
