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
  const sealed = new Map(Object.entries(secrets).map(([name, value]) => [name, new Secret(value)]))
  const log = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`)
  return {
    name: 'test',
    clock: systemClock,
    log: { debug: log, info: log, warn: log, error: log },
    fetch: (...args) => fetch(...args),
    secret(name) {
      const found = sealed.get(name)
      if (found === undefined) throw new JitError('provider.login', `provider "test" has no ${name}`)
      return found
    },
    hasSecret: (name) => sealed.has(name),
    keep: async (name, secret) => void sealed.set(name, secret),
    principalToken: async ({ human, agent, server, tool }, audience) => `principal:${human}/${agent}/${server}/${tool}@${audience}`,
    logged: () => lines.join('\n'),
    ...more,
  }
}
