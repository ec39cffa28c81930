import type { Broker } from '../../broker/types.ts'
import { createScrubber, type Scrubber } from '../../core/scrub.ts'
import { SplitSecrets } from '../../core/split-secrets.ts'
import type { LiveSearch } from './cleaner.ts'

type Live = Pick<Broker, 'liveSecrets' | 'secretsVersion'>

/** Of each broker: all that talk by way of it look for the same secrets. */
const searches = new WeakMap<Live, LiveSearch>()

/** The scrubber over every live secret, compiled anew only when the set of them changed. */
export function currentScrubber(broker: Live): () => Scrubber {
  return () => liveSearch(broker).scrubber()
}

/** What looks for every live secret; each of its parts is made anew when it is asked for and the set of them changed. */
export function liveSearch(broker: Live): LiveSearch {
  const known = searches.get(broker)
  if (known !== undefined) return known
  const scrubber = whenChanged(broker, () => createScrubber(broker.liveSecrets()))
  const secrets = new SplitSecrets()
  const split = whenChanged(broker, () => {
    secrets.update(broker.liveSecrets())
    return secrets
  })
  const made = { scrubber, split }
  searches.set(broker, made)
  return made
}

function whenChanged<T>(broker: Live, make: () => T): () => T {
  let version: number | undefined
  let made: T | undefined
  return () => {
    if (made === undefined || version !== broker.secretsVersion) {
      version = broker.secretsVersion
      made = make()
    }
    return made
  }
}
