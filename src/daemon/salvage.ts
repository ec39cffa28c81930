import { parse, stringify } from 'yaml'
import { isJsonObject } from '../core/json.ts'
import type { LoadedConfig } from '../config/types.ts'

export interface Salvaged {
  /** A config without servers, of those parts that can be used. */
  readonly loaded: LoadedConfig
  /** Upstreams may be reached: what the text says of the network can be used. A credential must not travel by another way. */
  readonly reachable: boolean
}

const settings = ['audit', 'limits', 'approvals'] as const

/**
 * What can be used of a config that as a whole cannot: settings and providers, each tried for itself, so that credentials
 * which are out can still be revoked. `attempt` throws for a text that cannot be used.
 */
export function salvageText(text: string, attempt: (text: string) => LoadedConfig): Salvaged {
  const raw = readMap(text)
  let kept: Record<string, unknown> = { version: 1 }
  let loaded = attempt(stringify(kept))
  const keep = (candidate: Record<string, unknown>): boolean => {
    try {
      loaded = attempt(stringify(candidate))
      kept = candidate
      return true
    } catch {
      return false
    }
  }
  const network = raw?.['network']
  const reachable = raw !== undefined && (network === undefined || network === null || keep({ ...kept, network }))
  for (const name of settings) if (raw?.[name] !== undefined) keep({ ...kept, [name]: raw[name] })
  const providers = raw?.['providers']
  const entries = isJsonObject(providers) ? Object.entries(providers) : []
  let known: Record<string, unknown> = {}
  for (const [name, entry] of entries) {
    const more = { ...known, [name]: entry }
    if (keep({ ...kept, providers: more })) known = more
  }
  return { loaded, reachable }
}

function readMap(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
