import { z } from 'zod'
import { colours, terminalWidth } from './output/terminal.ts'
import { count, displayWidth, plain, wrap } from './output/text.ts'
import { clockTime, span } from './output/time.ts'

/** What a line needs of a record; records of later versions may lack any of it. */
export const trailRecord = z.looseObject({
  type: z.string(),
  time: z.string(),
  call: z.string().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  resource: z.string().optional(),
  result: z.string().optional(),
  reason: z.string().optional(),
  took: z.number().optional(),
  principal: z.looseObject({ human: z.string(), agent: z.looseObject({ name: z.string() }) }).optional(),
  decision: z.looseObject({ effect: z.string(), reason: z.string().optional() }).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
  lease: z.looseObject({ id: z.string(), token: z.string().optional() }).optional(),
  requests: z.array(z.unknown()).optional(),
  requestsLeftOut: z.looseObject({ count: z.number() }).optional(),
  request: z.looseObject({ method: z.string(), origin: z.string(), path: z.string() }).optional(),
  trace: z.record(z.string(), z.unknown()).optional(),
  by: z.string().optional(),
  detail: z.unknown().optional(),
})
export type TrailRecord = z.infer<typeof trailRecord>

const indent = 10
const paints: Readonly<Record<string, (text: string) => string>> = {
  ok: colours.green,
  denied: colours.yellow,
  'tool-error': colours.yellow,
  revoked: colours.red,
  unknown: colours.red,
  error: colours.red,
  aborted: colours.dim,
}

/** One record, on one line where it fits and on two where it does not; empty for what only `--all` shows. */
export function trailLine(record: TrailRecord, all: boolean, width = terminalWidth()): string {
  if (record.type === 'call.close') return fold(record.time, `${chain(record)} →`, outcome(record), width)
  if (record.type === 'call.cut-off') return fold(record.time, `${chain(record)} →`, outcome({ ...record, ...cutOff }), width)
  if (record.type === 'egress.refused')
    return fold(record.time, `${attempt(record)} →`, `${colours.red('refused')}: ${colours.dim(plain(record.reason ?? ''))}`, width)
  if (record.type === 'client.asked') {
    const asked = question(record)
    if (all || asked.denied) return fold(record.time, asked.lead, asked.rest, width)
  }
  return all ? fold(record.time, colours.dim(record.type), particulars(record), width) : ''
}

function fold(time: string, lead: string, rest: string, width: number | undefined): string {
  const line = `${colours.dim(clockTime(new Date(time)))}  ${lead} ${rest}`.trimEnd()
  if (width === undefined || displayWidth(line) <= width) return line
  const room = Math.max(20, width - indent)
  // The last arrow stays with the word before it.
  const leads = wrap(lead.replace(/ →$/, '\u00a0→'), room).map((part) => part.replace('\u00a0→', ' →'))
  return `${colours.dim(clockTime(new Date(time)))}  ${[...leads, ...wrap(rest, room)].join(`\n${' '.repeat(indent)}`)}`
}

const cutOff = { result: 'unknown', error: { message: 'the daemon ended while it ran; whether it took effect is not known' } }

/** human → agent → server → tool → resource; a resource that is only called after its tool is not said twice */
function chain({ principal, server, tool, resource }: TrailRecord): string {
  const parts = [principal?.human || 'nobody', principal?.agent.name, server, tool, resource === tool ? '' : resource]
  return parts
    .filter((part) => part !== undefined && part !== '')
    .map((part) => plain(String(part)))
    .join(' → ')
}

function outcome({ result = '', requests = [], requestsLeftOut, took, lease, decision, error, trace }: TrailRecord): string {
  const paint = paints[result] ?? plain
  const made = requests.length + (requestsLeftOut?.count ?? 0)
  const facts = [
    ...(made > 0 ? [count(made, 'request')] : []),
    ...(lease?.token === undefined ? [] : [plain(lease.token)]),
    ...(took === undefined ? [] : [span(took)]),
    ...originOf(trace),
  ]
  const why = result === 'denied' ? (decision?.reason ?? error?.message) : error?.message
  const known = facts.length === 0 ? '' : ` ${colours.dim(`(${facts.join(', ')})`)}`
  return `${paint(plain(result))}${known}${why === undefined ? '' : `: ${plain(why)}`}`
}

/** Its trace, or the first id that the client gave it. */
function originOf(trace: TrailRecord['trace'] = {}): string[] {
  const { traceparent } = { traceparent: trace['traceparent'] }
  if (typeof traceparent === 'string') return [`trace ${plain(traceparent.slice(3, 35))}`]
  const first = Object.entries(trace).find(([key]) => key !== 'tracestate' && key !== 'baggage')
  return first === undefined ? [] : [`${plain(first[0])} ${plain(String(first[1]))}`]
}

function attempt({ server = '', request }: TrailRecord): string {
  const { method = '', origin = '', path = '' } = request ?? {}
  return `${plain(server)} tried ${plain(method)} ${plain(origin)}${method === 'CONNECT' && origin !== '' ? '' : plain(path)}`
}

/** What a server asked of the client; a refusal is shown like one of a call. */
function question({ server = '', detail }: TrailRecord): { lead: string; rest: string; denied: boolean } {
  const facts = askedDetail.safeParse(detail).data ?? { method: '', decision: '' }
  const denied = facts.decision === 'deny'
  const lead = `${plain(server)} asked the client for ${plain(facts.method)}${facts.origin === undefined ? '' : ` ${plain(facts.origin)}`} →`
  return {
    lead,
    denied,
    rest: denied ? `${colours.yellow('denied')}${facts.reason === undefined ? '' : `: ${colours.dim(plain(facts.reason))}`}` : 'allowed',
  }
}

const askedDetail = z.looseObject({
  method: z.string(),
  decision: z.string(),
  reason: z.string().optional(),
  origin: z.string().optional(),
})

function particulars({ call, server, tool, lease, by, detail }: TrailRecord): string {
  const names = [server, tool, call, lease?.id, by === undefined ? undefined : `by ${by}`].filter((part) => part !== undefined)
  const more = detail === undefined || JSON.stringify(detail) === '{}' ? '' : ` ${colours.dim(plain(JSON.stringify(detail)))}`
  return `${names.map(plain).join(' ')}${more}`
}
