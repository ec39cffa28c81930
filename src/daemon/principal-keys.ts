import { join } from 'node:path'
import { calculateJwkThumbprint } from 'jose'
import { openSigner } from '../audit/checkpoint.ts'
import { JitError } from '../core/errors.ts'
import type { Clock } from '../core/clock.ts'
import { type ActingPrincipal, type PrincipalSigner, signPrincipal } from '../identity/principal-token.ts'
import type { Sealer } from '../store/sealer.ts'
import type { Store } from '../store/store.ts'
import { replaceFile } from './replace-file.ts'

const name = 'identity/principal-key'

/** For whoever runs the upstream: the public half, as a JWK set. */
export const publicFile = 'principal-keys.json'

/**
 * Signs principal chains with a key of their own, which is made and sealed at the first one. The public key's file is written
 * anew each time the key is opened: what stands in it is what signs.
 */
export function createPrincipalTokens(deps: {
  readonly store: Pick<Store, 'secrets'>
  readonly sealer: Sealer
  readonly folder: string
  readonly clock: Clock
}): (principal: ActingPrincipal, audience: string) => Promise<string> {
  const { store, sealer, folder, clock } = deps
  let opening: Promise<PrincipalSigner> | undefined

  async function open(): Promise<PrincipalSigner> {
    const { key, publicJwk } = await openSigner({
      get: async () => {
        const sealed = store.secrets.get(name)
        return sealed === undefined ? undefined : sealer.open(sealed, name)
      },
      set: async (secret) => store.secrets.set(name, await sealer.seal(secret, name)),
    })
    const { kty, crv, x } = publicJwk
    const kid = await calculateJwkThumbprint({ kty, crv, x })
    const file = replaceFile(join(folder, publicFile), `${JSON.stringify({ keys: [{ kty, crv, x, kid, alg: 'EdDSA', use: 'sig' }] })}\n`)
    file.swap()
    file.done()
    return { key, kid }
  }

  return async (principal, audience) => {
    if (sealer.state === 'sealed') {
      opening = undefined
      throw new JitError('store.sealed', 'the key that signs principal chains is sealed')
    }
    opening ??= open()
    try {
      return await signPrincipal(await opening, principal, audience, clock.now())
    } catch (error) {
      opening = undefined
      throw error
    }
  }
}
