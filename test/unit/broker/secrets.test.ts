import { expect, it, vi } from 'vitest'
import { LiveSecrets } from '../../../src/broker/secrets.ts'
import { Schedule } from '../../../src/broker/schedule.ts'
import { Secret } from '../../../src/core/secret.ts'
import { FakeClock } from '../../support/fake-clock.ts'

it('has learnt what to look for before the first answer comes', async () => {
  const clock = new FakeClock()
  const secrets = new LiveSecrets(clock, new Schedule(clock, () => undefined))
  const prepare = vi.spyOn(secrets.search, 'prepare')
  const credential = (value: string) => ({ secrets: { token: new Secret(value) }, expiresAt: 0, granted: {} })
  secrets.learn(credential('eyJ.canary.4242'))
  secrets.learn(credential('eyJ.canary.4243'))
  expect(prepare).not.toHaveBeenCalled()
  await new Promise((resolve) => setImmediate(resolve))
  expect(prepare).toHaveBeenCalledTimes(1)
  expect(secrets.search.scrubber().scrubText('eyJ.canary.4242 eyJ.canary.4243')).not.toContain('canary')
})
