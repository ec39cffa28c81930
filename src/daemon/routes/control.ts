import { sealRequest, unsealRequest } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import { byCommandLine, type Routes } from './route.ts'
import type { Daemon } from '../types.ts'

const deadline = 10_000

/** stop, seal, unseal, lock, unlock. Locking cuts first and records second: it never waits for a disk. */
export function controlRoutes(daemon: Daemon): Routes {
  const note = (type: 'daemon.locked' | 'daemon.unlocked' | 'store.sealed' | 'store.unsealed'): void => {
    try {
      daemon.audit.append({ type, by: byCommandLine, detail: {} })
    } catch (error) {
      daemon.log.error('event not recorded', { type, error: String(error) })
    }
  }
  return {
    stop: (_, reply) => {
      reply.raw.once('close', () => daemon.stop())
      return { stopping: true, pid: process.pid }
    },
    lock: async () => {
      daemon.broker.locked = true
      daemon.lock.lock()
      const receipts = await daemon.broker.revoke({ all: true }, 'locked', deadline)
      note('daemon.locked')
      return { locked: true, receipts }
    },
    unlock: () => {
      daemon.lock.unlock()
      daemon.broker.locked = false
      note('daemon.unlocked')
      return { locked: false }
    },
    seal: async (request) => {
      const { passphrase } = sealRequest.parse(request.body ?? {})
      if (passphrase !== undefined) await daemon.sealer.rekey(new Secret(passphrase))
      const receipts = await daemon.broker.revoke({ all: true }, 'revoked', deadline)
      // The trail goes on; its signatures wait until the key is back.
      await daemon.audit.checkpoint()
      daemon.signing.stop()
      daemon.vault.seal()
      note('store.sealed')
      return { state: daemon.sealer.state, key: daemon.sealer.key, note: daemon.sealer.note, receipts }
    },
    unseal: async (request) => {
      const { passphrase } = unsealRequest.parse(request.body ?? {})
      if (daemon.sealer.state === 'sealed') {
        if (daemon.sealer.key === 'passphrase' && passphrase === undefined)
          throw new JitError('store.wrong-key', 'this store needs its passphrase')
        await daemon.sealer.unseal(passphrase === undefined ? undefined : new Secret(passphrase))
        await daemon.onUnsealed()
        note('store.unsealed')
      }
      return { state: daemon.sealer.state, key: daemon.sealer.key, note: daemon.sealer.note }
    },
  }
}
