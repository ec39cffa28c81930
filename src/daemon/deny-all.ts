import { JitError } from '../core/errors.ts'
import type { CompiledPolicy } from '../policy/types.ts'

/** Denies every call with the reason; a client hears it when it connects. */
export function denyAll(digest: string, broken: JitError): CompiledPolicy {
  const reason = `the config in force is broken, so every call is denied: ${broken.message}`
  return {
    digest,
    broken: new JitError('config.invalid', reason, {
      hint: 'Correct it: `jit config check` shows where; then `jit config apply`.',
      details: broken.details,
    }),
    servers: new Map(),
    decide: () => ({
      effect: 'deny',
      rule: { source: 'default', path: 'config' },
      code: 'config.invalid',
      reason,
      hidden: false,
      used: {},
    }),
  }
}
