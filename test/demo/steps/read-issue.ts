import { createHash } from 'node:crypto'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'
import { lastCall } from '../trail.ts'

export async function readIssue(stage: Stage, voice: Voice): Promise<void> {
  const client = await stage.client('github')
  const seen = stage.github.tokens().length
  const started = performance.now()
  const answer = await client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42 } })
  const took = performance.now() - started
  const text = JSON.stringify(answer.content)
  voice.check(answer.isError !== true && text.includes('42'), 'the client has the issue')
  const call = await lastCall(stage.home, 'github')
  const token = await deadToken(stage, seen)
  const lived = token.endedAt === undefined ? undefined : token.endedAt - token.mintedAt
  voice.show('decision', `${call.decision?.effect ?? '?'}  by ${call.decision?.rule.path ?? '?'}`)
  voice.show('scope', JSON.stringify(call.scope))
  voice.show('token', `lived ${lived ?? '?'} ms at GitHub; its fingerprint is ${call.lease?.token ?? '?'}`)
  voice.show(
    'requests',
    (call.requests ?? [])
      .map((request) => `${request.method} ${request.url} → ${request.status}  id ${request.requestId}  ${request.took.toFixed(1)} ms`)
      .join('\n'),
  )
  voice.show('took', `${took.toFixed(0)} ms as the client saw it: the server was running, and the mint is included`)
  voice.fact('decision', call.decision)
  voice.fact('scope', call.scope)
  voice.fact('tokenLivedMs', lived)
  voice.fact('requests', call.requests)
  voice.fact('granted', { permissions: token.permissions, repositories: token.repositories })
  voice.check(
    JSON.stringify(call.scope) === '{"repositories":["acme/web"],"permissions":{"issues":"read"}}',
    'its scope was issues: read on acme/web',
  )
  voice.check(token.repositories.join() === 'acme/web' && token.permissions['issues'] === 'read', 'GitHub granted that and no more')
  voice.check(!token.alive, 'the token is dead at GitHub, an hour before it would have expired')
  const ids = new Set(stage.github.journal.map((entry) => entry.id))
  voice.check(
    (call.requests ?? []).length > 0 && (call.requests ?? []).every((request) => ids.has(request.requestId)),
    'each request id in the trail is in GitHub’s own log',
  )
  voice.check(call.lease?.upstreamHash === token.hash, 'the token’s hash in the trail is the one GitHub logs')
  voice.fact('tokenHash', createHash('sha256').update(token.hash).digest('hex').slice(0, 12))
}

/** The token that this call used, once the revocation after the answer has reached GitHub. */
async function deadToken(stage: Stage, seen: number): Promise<ReturnType<Stage['github']['tokens']>[number]> {
  for (let round = 0; round < 100; round += 1) {
    const token = stage.github
      .tokens()
      .slice(seen)
      .findLast((candidate) => candidate.permissions['issues'] !== undefined)
    if (token !== undefined && !token.alive) return token
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the call’s token is still alive upstream after two seconds')
}
