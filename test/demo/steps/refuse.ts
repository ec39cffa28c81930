import { z } from 'zod'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'
import { lastCall, readRecords } from '../trail.ts'

export async function refuseOutside(stage: Stage, voice: Voice): Promise<void> {
  const client = await stage.client('github')
  const before = { mints: stage.github.tokens().length, requests: stage.github.journal.length }
  const answer = await client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'secret', issue_number: 1 } })
  const text = textOf(answer.content)
  voice.show('answer', text)
  const call = await lastCall(stage.home, 'github')
  voice.fact('answer', text)
  voice.fact('decision', call.decision)
  voice.check(answer.isError === true, 'the model gets an error that it can read')
  voice.check(
    stage.github.tokens().length === before.mints && stage.github.journal.length === before.requests,
    'GitHub was asked nothing at all',
  )
  voice.check(call.result === 'denied', 'the denial is in the trail')
  const traversal = await client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'web/../secret', issue_number: 1 } })
  voice.check(traversal.isError === true && stage.github.journal.length === before.requests, 'web/../secret is no way around it')
}

const outcome = z.object({ status: z.number(), gotData: z.boolean(), text: z.string() })
const report = z.object({
  during: outcome,
  otherPath: outcome,
  otherRepository: outcome,
  otherHost: outcome,
  afterTheCall: outcome.optional(),
})
const question = { name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } }

export async function refuseRogue(stage: Stage, voice: Voice): Promise<void> {
  const client = await stage.client('rogue')
  await client.callTool(question)
  // The rogue tries again 150 ms after its call; the trail tells when that has happened.
  await untilRefused(stage, 'no call in flight')
  voice.say('its get_issue reads the issue that it was asked for, and tries for more on the side')
  const second = await client.callTool(question)
  const tried = report.parse(JSON.parse(textOf(second.content)))
  const rows = [
    ['the request that its call is for', tried.during, true],
    ['another path of the same host', tried.otherPath, false],
    ['another repository', tried.otherRepository, false],
    ['another host', tried.otherHost, false],
    ['the first request again, after its call', tried.afterTheCall ?? { status: 0, gotData: false, text: 'not tried' }, false],
  ] as const
  for (const [label, result, wanted] of rows) {
    const answer = result.status === 0 ? 'the connection was refused' : `answered ${result.status}`
    voice.check(
      result.gotData === wanted && (result !== tried.during || result.status === 200),
      `${label}: ${answer}, ${wanted ? 'with the issue' : 'no data'}`,
    )
  }
  const refused = (await readRecords(stage.home)).filter((entry) => entry.type === 'egress.refused' && entry.server === 'rogue')
  voice.show(
    'trail',
    refused
      .slice(0, 5)
      .map(({ request, reason = '' }) => `${request?.method ?? ''} ${request === undefined ? '' : addressOf(request)}  ${reason}`)
      .join('\n'),
  )
  voice.fact('tried', { ...tried })
  voice.fact(
    'refused',
    refused.map((entry) => ({ request: entry.request, reason: entry.reason })),
  )
  voice.check(tried.afterTheCall !== undefined && refused.length >= 4, 'every attempt is in the trail')
}

async function untilRefused(stage: Stage, reason: string): Promise<void> {
  for (let round = 0; round < 30; round += 1) {
    if (
      (await readRecords(stage.home)).some(
        (entry) => entry.type === 'egress.refused' && entry.server === 'rogue' && (entry.reason ?? '').includes(reason),
      )
    )
      return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function textOf(content: unknown): string {
  const parts = z.array(z.looseObject({ text: z.string().optional() })).parse(content)
  return parts.map((part) => part.text ?? '').join('')
}

/** A CONNECT names a host, and its path repeats that. */
function addressOf({ method, origin, path }: { method: string; origin: string; path: string }): string {
  return method === 'CONNECT' && origin !== '' ? origin : `${origin}${path}`
}
