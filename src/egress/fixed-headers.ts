import type { Lease } from '../broker/types.ts'
import type { RequestRule } from '../core/types.ts'
import { namesHeader } from './match.ts'

/**
 * The headers with those that the provider decides (Vault's namespace) as it says them, whatever the client wrote there, in
 * whatever spelling some reader takes for the same. One that the rule names, where there is a rule, has met it: policy's own word.
 */
export function withFixedHeaders(headers: readonly string[], { requestHeaders }: Lease, rule?: RequestRule): readonly string[] {
  if (requestHeaders === undefined) return headers
  const fixed = Object.entries(requestHeaders).filter(([name]) => rule === undefined || !namesHeader(rule, name))
  const names = new Set(fixed.map(([name]) => name))
  const kept: string[] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]]
    if (!names.has(name.toLowerCase().replaceAll(/[_.]/g, '-'))) kept.push(name, value)
  }
  for (const [name, value] of fixed) if (value !== null) kept.push(name, value)
  return kept
}
