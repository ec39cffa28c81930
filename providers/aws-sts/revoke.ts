import type { Credential, ProviderHost, RevokeOutcome } from '../../src/provider/index.ts'
import type { Base } from './base.ts'
import type { AwsConfig } from './config.ts'

export interface Revocation {
  revoke(credential: Credential, signal: AbortSignal): Promise<RevokeOutcome>
}

export function createRevocation(_config: AwsConfig, _host: ProviderHost, _base: Base): Revocation {
  return { revoke: (credential) => Promise.resolve(untilExpiry(credential)) }
}

function untilExpiry({ expiresAt }: Credential): RevokeOutcome {
  return {
    outcome: 'expires',
    validUntil: expiresAt,
    detail: `AWS has no API that ends a session: it accepts these keys until ${new Date(expiresAt).toISOString()}; jit uses them no more`,
  }
}
