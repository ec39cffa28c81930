import type { Broker } from '../../broker/types.ts'
import { LiveScrubber, type Scrubber } from '../../core/scrub.ts'
import type { Secret } from '../../core/secret.ts'
import { SplitSecrets } from '../../core/split-secrets.ts'
import type { LiveSearch } from './cleaner.ts'

type Live = Pick<Broker, 'liveSecrets' | 'secretsVersion'>

/** Of each broker: all that talk by way of it look for the same secrets. */
const searches = new WeakMap<Live, LiveSearch>()

/** The scrubber over every live secret. */
export function currentScrubber(broker: Live): () => Scrubber {
  return () => liveSearch(broker).scrubber()
}

/** What looks for every live secret; each of its parts learns of a change when it is asked for. */
export function liveSearch(broker: Live): LiveSearch {
  const known = searches.get(broker)
  if (known !== undefined) return known
  const made = { scrubber: following(broker, new LiveScrubber()), split: following(broker, new SplitSecrets()) }
  searches.set(broker, made)
  return made
}

function following<T extends { update(secrets: readonly Secret[]): void }>(broker: Live, search: T): () => T {
  let version: number | undefined
  return () => {
    if (version !== broker.secretsVersion) {
      version = broker.secretsVersion
      search.update(broker.liveSecrets())
    }
    return search
  }
}
