import { secretParts } from '../broker/credential.ts'
import type { Lease } from '../broker/types.ts'
import { createScrubber, type Scrubber } from '../core/scrub.ts'
import type { Secret } from '../core/secret.ts'

export interface LiveSecrets {
  /** Every secret to remove from answers. */
  liveSecrets(): readonly Secret[]
  /** Changes whenever they do. */
  secretsVersion(): number
  /** Removes them. */
  scrubber(): Scrubber
}

/** The scrubber over every live secret and those of one lease; it learns of a change of theirs when it is asked for. */
export function createScrubbers(secrets: LiveSecrets): (lease: Lease | undefined) => Scrubber {
  let version = Number.NaN
  let live: ReadonlySet<Secret> = new Set()
  let own = new WeakMap<Lease['secrets'], Scrubber>()
  return (lease) => {
    if (version !== secrets.secretsVersion()) {
      version = secrets.secretsVersion()
      live = new Set(secrets.liveSecrets())
      own = new WeakMap()
    }
    if (lease === undefined || secretParts(lease).every((secret) => live.has(secret))) return secrets.scrubber()
    const made = own.get(lease.secrets) ?? createScrubber([...live, ...secretParts(lease)])
    own.set(lease.secrets, made)
    return made
  }
}
