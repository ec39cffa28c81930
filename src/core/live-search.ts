import { LiveScrubber, type Scrubber } from './scrub.ts'
import type { Secret } from './secret.ts'
import { SplitSecrets } from './split-secrets.ts'

/** Secrets that come and go. */
export interface SecretSource {
  readonly list: readonly Secret[]
  /** Another number whenever the list is another one. */
  readonly version: number
}

/** What looks for all secrets there are now. Each part learns of a change when it is asked for, or ahead of it by `prepare`. */
export class LiveSearch {
  readonly scrubber: () => Scrubber
  readonly split: () => SplitSecrets

  constructor(source: SecretSource) {
    this.scrubber = following(source, new LiveScrubber())
    this.split = following(source, new SplitSecrets())
  }

  /** Learns what has changed, so that the next message does not wait for it. */
  prepare(): void {
    this.scrubber()
    this.split()
  }
}

function following<T extends { update(secrets: readonly Secret[]): void }>(source: SecretSource, search: T): () => T {
  let version: number | undefined
  return () => {
    if (version !== source.version) {
      version = source.version
      search.update(source.list)
    }
    return search
  }
}
