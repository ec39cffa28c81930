import colours from 'picocolors'
import { z } from 'zod'
import { plain, span } from './output.ts'

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
  request: z.looseObject({ method: z.string(), origin: z.string(), path: z.string() }).optional(),
  detail: z.unknown().optional(),
})

export type TrailRecord = z.infer<typeof trailRecord>

const results: Record<string, (text: string) => string> = {
  ok: colours.green,
  denied: colours.yellow,
  revoked: colours.red,
  error: colours.red,
  aborted: colours.dim,
  'tool-error': colours.yellow,
}

/** One record as a line; empty for what only `--all` shows. */
export function trailLine(record: TrailRecord, all: boolean): string {
  const time = colours.dim(new Date(record.time).toLocaleTimeString('en-GB'))
  if (record.type === 'call.close') return `${time} ${chain(record)} → ${outcome(record)}`
  if (record.type === 'egress.refused') {
    const { method = '', origin = '', path = '' } = record.request ?? {}
    return `${time} ${plain(record.server ?? '')} tried ${plain(method)} ${plain(origin)}${method === 'CONNECT' && origin !== '' ? '' : plain(path)} → ${colours.red('refused')} (${plain(record.reason ?? '')})`
  }
  if (!all) return ''
  const about = [record.call, record.server, record.lease?.id].filter((part) => part !== undefined).map(plain)
  return `${time} ${colours.dim(record.type)} ${about.join(' ')} ${record.detail === undefined ? '' : plain(JSON.stringify(record.detail)).slice(0, 200)}`
}

/** human → agent → server → tool → resource */
function chain(record: TrailRecord): string {
  const parts = [record.principal?.human || 'nobody', record.principal?.agent.name, record.server, record.tool, record.resource]
  return parts
    .filter((part) => part !== undefined && part !== '')
    .map((part) => plain(String(part)))
    .join(' → ')
}

function outcome(record: TrailRecord): string {
  const { result = '', requests = [], took = 0, lease } = record
  const paint = results[result] ?? ((text: string) => text)
  const why = record.decision?.reason ?? record.error?.message
  const facts = [
    ...(requests.length > 0 ? [`${requests.length} request${requests.length === 1 ? '' : 's'}`] : []),
    ...(lease?.token === undefined ? [] : [lease.token]),
    span(took),
  ]
  return `${paint(result)} ${colours.dim(`(${facts.join(', ')})`)}${why === undefined ? '' : ` ${plain(why)}`}`
}
