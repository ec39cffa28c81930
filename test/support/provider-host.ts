import { systemClock } from '../../src/core/clock.ts'
import { JitError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { ProviderHost } from '../../src/provider/contract.ts'

export interface TestHost extends ProviderHost {
  /** Everything that was logged, as text. */
  logged(): string
}

/** What the broker gives a provider, with these sealed secrets; `more` replaces parts of it. */
export function testHost(secrets: Readonly<Record<string, string>>, more: Partial<ProviderHost> = {}): TestHost {
  const lines: string[] = []
  const log = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`)
  return {
    name: 'test',
    clock: systemClock,
    log: { debug: log, info: log, warn: log, error: log },
    fetch: (...args) => fetch(...args),
    secret(name) {
      const found = secrets[name]
      if (found === undefined) throw new JitError('provider.login', `provider "test" has no ${name}`)
      return new Secret(found)
    },
    hasSecret: (name) => secrets[name] !== undefined,
    principalToken: async ({ human, agent, server, tool }, audience) => `principal:${human}/${agent}/${server}/${tool}@${audience}`,
    logged: () => lines.join('\n'),
    ...more,
  }
}
