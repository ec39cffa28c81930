import type { Answer, TokenEntry } from './state.ts'

export function authOf(entry: TokenEntry): unknown {
  return {
    request_id: 'stand-in',
    lease_id: '',
    lease_duration: 0,
    renewable: false,
    data: null,
    auth: {
      client_token: entry.id,
      accessor: entry.accessor,
      policies: entry.policies,
      token_policies: entry.policies,
      metadata: entry.meta,
      lease_duration: entry.ttl,
      renewable: entry.renewable,
      entity_id: '',
      token_type: entry.type,
      orphan: entry.orphan,
      num_uses: entry.numUses,
    },
  }
}

export function lookupOf(entry: TokenEntry, now: number): Answer {
  return dataOf({
    accessor: entry.accessor,
    policies: entry.policies,
    meta: entry.meta,
    display_name: entry.displayName,
    num_uses: entry.usesLeft,
    orphan: entry.orphan,
    renewable: entry.renewable,
    type: entry.type,
    creation_ttl: entry.ttl,
    ttl: Number.isFinite(entry.expiresAt) ? Math.max(1, Math.round((entry.expiresAt - now) / 1000)) : 0,
  })
}

export function dataOf(data: unknown): Answer {
  return { status: 200, body: { request_id: 'stand-in', lease_id: '', lease_duration: 0, renewable: false, data } }
}

export function failed(status: number, ...errors: string[]): Answer {
  return { status, body: { errors } }
}

export const denied = failed(403, '1 error occurred:\n\t* permission denied\n\n')
export const done: Answer = { status: 204 }
