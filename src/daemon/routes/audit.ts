import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { auditQuery } from '../../api/schema.ts'
import { type CutOffCall, withCutOff } from '../../audit/cut-off.ts'
import type { AuditRecord } from '../../audit/event.ts'
import { encode } from '../../audit/record.ts'
import { JitError, quote, toJitError } from '../../core/errors.ts'
import { nameIn, type Routes } from './route.ts'
import type { Daemon } from '../types.ts'

type Line = AuditRecord | CutOffCall

export function auditRoutes(daemon: Daemon): Routes {
  const { audit } = daemon
  return {
    audit: (request, reply) => {
      const { follow, cutOff, ...filter } = auditQuery.parse(request.query)
      const gone = new AbortController()
      const past = cutOff === true ? withCutOff((each) => audit.query(each), filter) : audit.query(filter)
      const records = follow === true ? chain(past, audit.follow(filter, gone.signal)) : past
      // From here on the answer is ours: its head leaves at once, so that a follower knows that it is heard.
      reply.hijack()
      reply.raw.once('close', () => gone.abort())
      reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders()
      void send(daemon, records, reply.raw, gone.signal)
      return reply
    },
    verify: () => audit.verify(),
    trace: async (request) => {
      const hash = nameIn(request, 'hash')
      const leases = daemon.store.leases.byHash(hash).map(({ id }) => ({ lease: id }))
      const found = new Map<number, AuditRecord>()
      for (const filter of [{ token: hash }, ...leases]) {
        for await (const record of audit.query({ type: 'call.close', ...filter })) found.set(record.seq, record)
      }
      if (found.size === 0)
        throw new JitError('not-found', `no token with the hash ${quote(hash)} is in the trail`, {
          hint: 'A hash is `hashed_token` of GitHub’s audit log (the base64 of a SHA-256: 44 characters, the last one a =), or a fingerprint that `jit audit` prints (fp_ and 16 letters and digits). A token itself is not taken.',
        })
      return [...found.values()].toSorted((one, other) => one.seq - other.seq)
    },
  }
}

/** Never rejects: a client that left ends it, and a trail that cannot be read cuts the answer short, which a client sees. */
async function send(daemon: Daemon, records: AsyncIterable<Line>, answer: ServerResponse, gone: AbortSignal): Promise<void> {
  try {
    await pipeline(lines(records), answer)
  } catch (error) {
    answer.destroy()
    if (!gone.aborted) daemon.log.error('trail not read', { error: toJitError(error).message })
  }
}

async function* lines(records: AsyncIterable<Line>): AsyncIterable<string> {
  for await (const record of records) yield `${encode(record)}\n`
}

async function* chain(first: AsyncIterable<Line>, second: AsyncIterable<Line>): AsyncIterable<Line> {
  yield* first
  yield* second
}
