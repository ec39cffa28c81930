import { secretParts } from '../broker/credential.ts'
import type { Lease } from '../broker/types.ts'
import { createScrubber, LiveScrubber, type Scrubber } from '../core/scrub.ts'
import type { Secret } from '../core/secret.ts'

export interface LiveSecrets {
  /** Every secret to remove from answers. */
  liveSecrets(): readonly Secret[]
  /** Changes whenever they do. */
  secretsVersion(): number
}

/** The scrubber over every live secret and those of one lease; it learns of a change of theirs when it is asked for. */
export function createScrubbers(secrets: LiveSecrets): (lease: Lease | undefined) => Scrubber {
  let version = Number.NaN
  let live: ReadonlySet<Secret> = new Set()
  const shared = new LiveScrubber()
  let own = new WeakMap<Lease['secrets'], Scrubber>()
  return (lease) => {
    if (version !== secrets.secretsVersion()) {
      version = secrets.secretsVersion()
      live = new Set(secrets.liveSecrets())
      shared.update([...live])
      own = new WeakMap()
    }
    if (lease === undefined || secretParts(lease).every((secret) => live.has(secret))) return shared
    const made = own.get(lease.secrets) ?? createScrubber([...live, ...secretParts(lease)])
    own.set(lease.secrets, made)
    return made
  }
}
