import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CompactSign, exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type CryptoKey, type JWK } from 'jose'
import { Secret } from '../core/secret.ts'
import type { AuditPosition } from './event.ts'

/** Signs checkpoints with Ed25519; its private key is sealed in the store. */
export interface CheckpointSigner {
  readonly key: CryptoKey
  readonly publicJwk: JWK
}

export interface Checkpoints {
  sign(head: AuditPosition, time: string): Promise<void>
  setSigner(signer: CheckpointSigner | undefined): void
}

/** `checkpoints.jsonl`: one compact JWS a line over `{ seq, hash, time }`; `key.json`: the public key. */
export function openCheckpoints(folder: string): Checkpoints {
  let signer: CheckpointSigner | undefined
  let signed = 0
  return {
    setSigner(next) {
      signer = next
      const file = join(folder, 'key.json')
      if (next !== undefined && (!existsSync(file) || readFileSync(file, 'utf8').trim() !== JSON.stringify(next.publicJwk))) {
        writeFileSync(file, `${JSON.stringify(next.publicJwk)}\n`, { mode: 0o600 })
      }
    },
    async sign(head, time) {
      if (signer === undefined || head.seq === 0 || head.seq === signed) return
      signed = head.seq
      const jws = await new CompactSign(Buffer.from(JSON.stringify({ ...head, time })))
        .setProtectedHeader({ alg: 'EdDSA' })
        .sign(signer.key)
      appendFileSync(join(folder, 'checkpoints.jsonl'), `${jws}\n`, { mode: 0o600 })
    },
  }
}

/** The signer of this home: made at the first start, sealed as `audit/signing-key`, opened again later. */
export async function openSigner(vault: {
  get(): Promise<Secret | undefined>
  set(secret: Secret): Promise<void>
}): Promise<CheckpointSigner> {
  const stored = await vault.get()
  if (stored === undefined) {
    const made = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
    await vault.set(new Secret(JSON.stringify({ pkcs8: await exportPKCS8(made.privateKey), jwk: await exportJWK(made.publicKey) })))
    return { key: made.privateKey, publicJwk: await exportJWK(made.publicKey) }
  }
  return stored.seal(async (text) => {
    const { pkcs8, jwk }: { pkcs8: string; jwk: JWK } = JSON.parse(text)
    return { key: await importPKCS8(pkcs8, 'EdDSA'), publicJwk: jwk }
  })
}
