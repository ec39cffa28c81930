import { randomBytes, scrypt } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'
import { z } from 'zod'
import { JitError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'

/** Below this a passphrase falls to a graphics card in hours, whatever the key derivation costs. */
const shortest = 8
/** scrypt at 128 MiB and about 0.3 s a try, the first row of OWASP's password storage table. */
const cost = { N: 2 ** 17, r: 8, p: 1 }

/** Parameters as they stand in the header of the wrapped key; capped, because a changed file must not cost gigabytes. */
const header = z.looseObject({
  salt: z.base64url().length(22),
  N: z
    .int()
    .min(2 ** 14)
    .max(2 ** 20),
  r: z.int().min(1).max(16),
  p: z.int().min(1).max(4),
})
type Derivation = z.infer<typeof header>

/** The master key as a compact JWE that only the passphrase opens. Throws `usage` when the passphrase is too short. */
export async function wrapKey(master: Uint8Array, passphrase: Secret): Promise<string> {
  if (passphrase.length < shortest) throw new JitError('usage', `a passphrase has at least ${shortest} characters`)
  const derivation = { salt: randomBytes(16).toString('base64url'), ...cost }
  const key = await derive(passphrase, derivation)
  return new CompactEncrypt(master).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', purpose: 'master key', ...derivation }).encrypt(key)
}

/** Throws `store.wrong-key` for another passphrase, `store.corrupt` when the wrapped key cannot be read. */
export async function unwrapKey(wrapped: string, passphrase: Secret): Promise<Uint8Array> {
  const derivation = readDerivation(wrapped)
  const key = await derive(passphrase, derivation)
  try {
    const opened = await compactDecrypt(wrapped, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
      maxDecompressedLength: 0,
    })
    return opened.plaintext
  } catch (error) {
    throw new JitError('store.wrong-key', 'the passphrase does not open this store', { cause: error })
  }
}

function readDerivation(wrapped: string): Derivation {
  try {
    return header.parse(decodeProtectedHeader(wrapped))
  } catch (error) {
    throw new JitError('store.corrupt', 'the wrapped key of the store cannot be read', { cause: error })
  }
}

/** Two keyboards may send one accented letter as different code points; NFKC makes them one. */
function derive(passphrase: Secret, { salt, N, r, p }: Derivation): Promise<Uint8Array> {
  return passphrase.seal(
    (text) =>
      new Promise((settle, fail) => {
        const options = { N, r, p, maxmem: 256 * N * r }
        scrypt(text.normalize('NFKC'), Buffer.from(salt, 'base64url'), 32, options, (error, key) =>
          error === null ? settle(key) : fail(error),
        )
      }),
  )
}
