import { z } from 'zod'
import { jitJson } from '../../support/command.ts'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'

const answer = z.object({
  receipts: z.array(
    z.looseObject({
      lease: z.string(),
      outcome: z.string(),
      verified: z.boolean(),
      lived: z.number(),
      scope: z.record(z.string(), z.json()),
    }),
  ),
})

export async function revokeMidCall(stage: Stage, voice: Voice): Promise<void> {
  const client = await stage.client('github')
  const seen = stage.github.tokens().length
  const hung = stage.github.fault({ match: { method: 'GET', path: '/repos/acme/api/issues/7' }, delay: 20_000 })
  const started = performance.now()
  const call = client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'api', issue_number: 7 } }).then(
    () => ({ failed: false, message: 'answered', at: performance.now() }),
    (error: unknown) => ({ failed: true, message: error instanceof Error ? error.message : String(error), at: performance.now() }),
  )
  await hung.hit()
  voice.say('a call waits for GitHub, which takes 20 s to answer')
  const token = stage.github.tokens().slice(seen).at(-1)
  voice.check(token?.alive === true, 'the token works before the command')
  voice.command('jit revoke --all')
  const asked = performance.now()
  const { receipts } = answer.parse(await jitJson(stage.home, ['revoke', '--all']))
  const ended = await call
  voice.show(
    'the call',
    `${ended.message}  (${Math.max(0, ended.at - asked).toFixed(0)} ms after the command started, ${(ended.at - started).toFixed(0)} ms after the call did)`,
  )
  for (const receipt of receipts) {
    voice.show(
      'receipt',
      `${receipt.lease}  ${JSON.stringify(receipt.scope)}  ${receipt.outcome}${receipt.verified ? ', verified' : ''}  after ${receipt.lived} ms`,
    )
  }
  voice.fact('receipts', receipts)
  voice.fact('call', { failed: ended.failed, message: ended.message, afterMs: Math.round(ended.at - asked) })
  voice.check(ended.failed && ended.at - started < 15_000, 'the call failed at once, not when GitHub would have answered')
  voice.check(
    receipts.some((receipt) => receipt.outcome === 'revoked' && receipt.verified),
    'the receipt says revoked, and verified with the dead token',
  )
  const after = stage.github.tokens().find((candidate) => candidate.hash === token?.hash)
  voice.check(after !== undefined && !after.alive, 'GitHub’s stand-in confirms: the token is dead')
}
