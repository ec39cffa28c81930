import type { Credential, ProviderHost, RevokeOutcome } from '../../src/provider/index.ts'
import type { Base } from './base.ts'
import { type AwsConfig, roleOf } from './config.ts'
import { createDenyPolicy, policyName } from './deny-policy.ts'

export interface Revocation {
  revoke(credential: Credential, signal: AbortSignal): Promise<RevokeOutcome>
}

/** A session's user id, as `aws:userid` has it: the role's own id and the session's name. */
const userIdPattern = /^AROA[A-Z0-9]{10,124}:[\w+=,.@-]{2,64}$/

/** AWS ends no session. Where the config says so, a policy on the role denies what a revoked one asks. */
export function createRevocation(config: AwsConfig, host: ProviderHost, base: Base): Revocation {
  if (config.revocation === 'none') return { revoke: (credential) => Promise.resolve(untilExpiry(credential)) }
  const policy = createDenyPolicy(config, host, base)
  const { name } = roleOf(config)
  return {
    async revoke(credential, signal) {
      const userId = credential.granted['session']
      const over = credential.expiresAt <= host.clock.now()
      if (over || typeof userId !== 'string' || !userIdPattern.test(userId)) return untilExpiry(credential)
      await policy.deny(userId, credential.expiresAt, signal)
      return {
        outcome: 'accepted',
        detail: `the policy ${policyName} on role ${name} denies this session everything, as soon as AWS has spread it: seconds as a rule, a few minutes at worst; the keys themselves end at ${new Date(credential.expiresAt).toISOString()}`,
      }
    },
  }
}

function untilExpiry({ expiresAt }: Credential): RevokeOutcome {
  return {
    outcome: 'expires',
    validUntil: expiresAt,
    detail: `AWS has no API that ends a session: it accepts these keys until ${new Date(expiresAt).toISOString()}; jit uses them no more`,
  }
}
