import type { Broker } from '../broker/types.ts'
import { createScrubber, type Scrubber } from '../core/scrub.ts'

/** The scrubber over every live secret, compiled anew only when the set of them changed. */
export function currentScrubber(broker: Pick<Broker, 'liveSecrets' | 'secretsVersion'>): () => Scrubber {
  let version = -1
  let scrubber = createScrubber([])
  return () => {
    if (version !== broker.secretsVersion) {
      version = broker.secretsVersion
      scrubber = createScrubber(broker.liveSecrets())
    }
    return scrubber
  }
}
