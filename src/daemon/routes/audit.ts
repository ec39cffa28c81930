import { PassThrough } from 'node:stream'
import { auditQuery } from '../../api/schema.ts'
import type { AuditRecord } from '../../audit/event.ts'
import { JitError, quote } from '../../core/errors.ts'
import { nameIn, type Routes } from '../api.ts'
import type { Daemon } from '../types.ts'

export function auditRoutes(daemon: Daemon): Routes {
  const { audit } = daemon
  return {
    audit: (request, reply) => {
      const { follow, ...filter } = auditQuery.parse(request.query)
      const gone = new AbortController()
      const stream = new PassThrough()
      request.raw.socket.once('close', () => gone.abort())
      void reply.type('application/x-ndjson').send(stream)
      void pump(stream, follow === true ? chain(audit.query(filter), audit.follow(filter, gone.signal)) : audit.query(filter), gone.signal)
      return reply
    },
    verify: () => audit.verify(),
    trace: async (request) => {
      const hash = decodeURIComponent(nameIn(request, 'hash'))
      const leases = new Set(daemon.store.leases.byHash(hash).map((row) => row.id))
      const found: AuditRecord[] = []
      for await (const record of audit.query({})) {
        const lease = 'lease' in record ? record.lease : undefined
        if (
          record.type === 'call.close' &&
          lease !== undefined &&
          (leases.has(lease.id) || lease.upstreamHash === hash || lease.token === hash)
        )
          found.push(record)
      }
      if (found.length === 0) throw new JitError('not-found', `no call used a token with the hash ${quote(hash)}`)
      return found
    },
  }
}

async function pump(stream: PassThrough, records: AsyncIterable<AuditRecord>, signal: AbortSignal): Promise<void> {
  try {
    for await (const record of records) {
      if (signal.aborted) break
      if (!stream.write(`${JSON.stringify(record)}\n`)) await new Promise((resolve) => stream.once('drain', resolve).once('close', resolve))
    }
  } finally {
    stream.end()
  }
}

async function* chain(first: AsyncIterable<AuditRecord>, second: AsyncIterable<AuditRecord>): AsyncIterable<AuditRecord> {
  yield* first
  yield* second
}
