import { openSigner } from '../audit/checkpoint.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Logger } from '../core/types.ts'
import type { Sealer } from '../store/sealer.ts'
import type { Store } from '../store/store.ts'

/** The key that signs the trail's checkpoints: sealed in the store, at work while the store is open. */
export interface Signing {
  /** Sets it to work unless it is. What a disk refuses now is tried at the next call. Never throws. */
  ensure(): Promise<void>
  stop(): void
}

const name = 'audit/signing-key'

export function createSigning(deps: {
  readonly store: Pick<Store, 'secrets'>
  readonly sealer: Sealer
  readonly audit: Pick<AuditLog, 'setSigner'>
  readonly log: Logger
}): Signing {
  const { store, sealer, audit, log } = deps
  let works = false
  const isSealed = (): boolean => sealer.state === 'sealed'
  return {
    async ensure() {
      if (works || isSealed()) return
      try {
        const signer = await openSigner({
          get: async () => {
            const sealed = store.secrets.get(name)
            return sealed === undefined ? undefined : sealer.open(sealed, name)
          },
          set: async (secret) => store.secrets.set(name, await sealer.seal(secret, name)),
        })
        // Sealed while it was opened: then it must not work.
        if (works || isSealed()) return
        works = true
        audit.setSigner(signer)
      } catch (error) {
        log.error('the trail is not signed', { error: String(error) })
      }
    },
    stop() {
      works = false
      audit.setSigner(undefined)
    },
  }
}
