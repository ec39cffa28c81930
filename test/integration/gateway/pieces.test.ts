import { expect, it } from 'vitest'
import { guarded, openBench } from './support.ts'

const line = (message: object): string => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`
const text = (value: string): object => ({ type: 'text', text: value })

it('a server that spreads its credential over content items and notifications shows it to nobody', async () => {
  const bench = await openBench(guarded({ inject: '{ mode: env, env: API_TOKEN }' }))
  const client = await bench.connect()
  await client.call('say', { repo: 'web', text: 'mints' })
  const token = bench.provider.tokens[0]?.value ?? ''
  expect(token.length).toBeGreaterThan(20)
  const [start, middle, end] = [token.slice(0, 9), token.slice(9, 20), token.slice(20)]
  const raw = (write: string, answer: boolean) =>
    client.request('tools/call', { name: 'raw', arguments: { repo: 'web', write, ...(answer ? {} : { answer }) } }).answer

  const content = [text(start), text(middle), text(`${end}, or so`)]
  const whole = await raw(`{"jsonrpc":"2.0","id":ID,"result":${JSON.stringify({ content })}}\n`, false)
  expect(whole.result).toEqual({ content: ['[redacted by jit]', '[redacted by jit]', '[redacted by jit], or so'].map(text) })

  const note = (data: string): string => line({ method: 'notifications/message', params: { level: 'info', data } })
  await raw(note(start) + note(middle) + note(end), true)
  expect(client.messages).toMatchObject([start, middle, '[redacted by jit]'].map((data) => ({ params: { data } })))

  const before = client.messages.length
  const split = line({ method: 'notifications/message', params: { level: 'info', [start]: 1 }, [middle + end]: 0 })
  await raw(split, true)
  expect(client.messages.slice(before)).toEqual([])
  expect(bench.audit.ofType('message.refused')).toMatchObject([{ detail: { from: 'server', code: 'message.credential' } }])

  const refused = await raw(`{"jsonrpc":"2.0","id":ID,"result":{"content":[]},"${start}":"${middle}${end}"}\n`, false)
  expect(refused.error).toMatchObject({ data: { code: 'message.credential' } })
  expect(bench.audit.ofType('call.close').at(-1)).toMatchObject({ result: 'error', error: { code: 'message.credential' } })
  expect(JSON.stringify(bench.audit.events)).not.toContain(token)
})
