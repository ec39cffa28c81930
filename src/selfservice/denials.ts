import type { AuditRecord } from '../audit/event.ts'
import { type ErrorCode, errorTable, JitError, quote } from '../core/errors.ts'
import { wayOut } from './decision.ts'
import type { Caller, SelfServiceDeps } from './types.ts'

type Deps = Pick<SelfServiceDeps, 'trail' | 'clock' | 'startedAt' | 'config'>
type Close = Extract<AuditRecord, { type: 'call.close' }>
type Refusal = Extract<AuditRecord, { type: 'egress.refused' }>

/** How far back an agent may have the trail read, in milliseconds. */
const reach = 24 * 3_600_000
/** Requests of one call that are shown. */
const shownRequests = 10

/** One reading at a time, whoever asks: the trail may be long, and agents that ask without end must not keep the disk busy. */
let reading: Promise<unknown> = Promise.resolve()
/** Readings that wait, by session: one that asks without end must not be all that is answered. */
const asking = new Map<string, number>()
const mostAsking = 4

/** Why calls of the caller's own session were denied, from the trail. Calls of other sessions are as if they did not exist. */
export function describeDenials(
  deps: Deps,
  caller: Caller,
  asked: { readonly call?: string | undefined; readonly limit: number },
): Promise<string> {
  const { session } = caller
  const before = asking.get(session) ?? 0
  if (before >= mostAsking)
    throw new JitError('daemon.busy', 'the questions before this one are not answered yet', { hint: 'Ask one after the other.' })
  asking.set(session, before + 1)
  const work = reading
    .then(() => read(deps, caller, asked))
    .finally(() => {
      const left = (asking.get(session) ?? 1) - 1
      if (left > 0) asking.set(session, left)
      else asking.delete(session)
    })
  reading = work.catch(() => undefined)
  return work
}

async function read(
  deps: Deps,
  caller: Caller,
  { call, limit }: { readonly call?: string | undefined; readonly limit: number },
): Promise<string> {
  const { session, signal } = caller
  signal.throwIfAborted()
  const mayPropose = deps.config().self === 'propose'
  const since = Math.max(deps.startedAt, deps.clock.now() - reach)
  if (call === undefined) {
    const found: string[] = []
    for await (const record of deps.trail.query({ type: 'call.close', session, result: 'denied', since, limit })) {
      signal.throwIfAborted()
      if (record.type === 'call.close') found.push(describe(record, [], mayPropose))
    }
    return found.length === 0 ? 'None of your calls in this session was denied.' : found.reverse().join('\n\n')
  }
  if (!/^call_[0-9a-z]{1,40}$/.test(call)) throw unknownCall(call)
  let close: Close | undefined
  const refusals: Refusal[] = []
  for await (const record of deps.trail.query({ call, since })) {
    signal.throwIfAborted()
    if (record.type === 'call.close') close = record
    if (record.type === 'egress.refused' && refusals.length < shownRequests) refusals.push(record)
  }
  if (close?.principal.session !== session) throw unknownCall(call)
  return describe(close, refusals, mayPropose)
}

function unknownCall(call: string): JitError {
  return new JitError('not-found', `there is no call ${quote(call)} of this session`, {
    hint: 'Without an id, your last denials are listed.',
  })
}

function describe(close: Close, refusals: readonly Refusal[], mayPropose: boolean): string {
  return [
    `${close.call}, ${close.time}: ${close.server} → ${quote(close.tool)}`,
    ...outcome(close, mayPropose),
    ...refusals.map(refused),
  ].join('\n')
}

/** Only what jit itself says of a denial is repeated; of other failures the code, since their words may be the server's. */
function outcome({ result, error, decision, server, kind }: Close, mayPropose: boolean): string[] {
  if (result === 'ok' || result === 'tool-error')
    return [
      result === 'ok'
        ? 'It was let through, and the server answered.'
        : 'It was let through; the server answered with an error of its own.',
    ]
  const code = error?.code ?? ''
  const { rule } = decision
  if (code === 'policy.unlisted' || rule.path.includes('.deny['))
    return [`No such ${kind} was there for you on ${server}.`, 'what helps: what_may_i_do lists those that there are.']
  if (result === 'denied')
    return [`denied: ${error?.message ?? ''}`, `decided by: ${rule.path} (${rule.source})`, adviceFor(code, mayPropose)]
  return [`It ended without an answer of the server (${code}). ${isCode(code) ? errorTable[code].hint : ''}`.trim()]
}

function refused({ request, reason }: Refusal): string {
  return `the server's request ${quote(`${request.method} ${request.origin}${request.path}`, 300)} was not sent: ${quote(reason, 300)}`
}

function adviceFor(code: string, mayPropose: boolean): string {
  switch (code) {
    case 'approval.denied':
      return 'what helps: nothing from here. A person said no to this call; do not repeat it, ask them.'
    case 'approval.timeout':
      return 'what helps: nobody answered in time. Tell the person that `jit approvals` lists what waits, then call again.'
    case 'policy.changed':
      return 'what helps: the rules changed while the call ran; call again.'
    case 'locked':
      return 'what helps: nothing from here. A person has locked jit.'
    default:
      return wayOut({ mayPropose })
  }
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code)
}
