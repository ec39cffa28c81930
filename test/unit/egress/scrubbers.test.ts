import { expect, it } from 'vitest'
import { createScrubber } from '../../../src/core/scrub.ts'
import { Secret } from '../../../src/core/secret.ts'
import { createScrubbers } from '../../../src/egress/scrubbers.ts'
import { lease } from './support.ts'

it('removes the secret parts of a lease that nobody else knows, and leaves its names', () => {
  const scrubberOf = createScrubbers({ liveSecrets: () => [], secretsVersion: () => 1, scrubber: () => createScrubber([]) })
  const secrets = { service_account_namespace: new Secret('production'), service_account_token: new Secret('eyJ.canary.4242') }
  const own = { ...lease(), secrets, notSecret: ['service_account_namespace'] }
  expect(scrubberOf(own).scrubText('eyJ.canary.4242 in production')).toBe('[redacted by jit] in production')
  expect(scrubberOf({ ...lease(), secrets: { ...secrets } }).scrubText('in production')).toBe('in [redacted by jit]')
})
