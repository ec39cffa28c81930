import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CompactSign, calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, importJWK } from 'jose'
import { z } from 'zod'
import { JitError } from '../core/errors.ts'
import { isRegular, openRegular, readRegular } from '../core/regular-file.ts'
import { Secret } from '../core/secret.ts'
import { linesBackward } from './lines.ts'

/** Signs checkpoints with Ed25519 (JWS `EdDSA`); its private key is sealed in the store. */
export interface CheckpointSigner {
  readonly key: CryptoKey
  readonly publicJwk: PublicJwk
}

export const publicJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.base64url().length(43) })
export type PublicJwk = z.infer<typeof publicJwk>
const privateJwk = publicJwk.extend({ d: z.base64url().length(43) })

/** What a checkpoint states: record `seq`, in segment `segment`, has this hash. */
export const checkpointPayload = z.strictObject({
  seq: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  time: z.string(),
  segment: z.int().min(1),
})
export type Checkpoint = z.infer<typeof checkpointPayload>

export const checkpointType = 'jit-checkpoint'
export const checkpointFile = 'checkpoints.jsonl'
export const keyFile = 'key.json'

/** The signer of this home: made at the first call, opened again later. Throws `store.corrupt` when what was kept is no key. */
export async function openSigner(vault: {
  get(): Promise<Secret | undefined>
  set(secret: Secret): Promise<void>
}): Promise<CheckpointSigner> {
  const stored = await vault.get()
  if (stored !== undefined) return stored.seal(importSigner)
  const made = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const secret = new Secret(JSON.stringify(privateJwk.parse(await exportJWK(made.privateKey))))
  await vault.set(secret)
  return secret.seal(importSigner)
}

/** The public key's file, exactly as it is written and as verify expects it. */
export async function keyText(jwk: PublicJwk): Promise<string> {
  const { kty, crv, x } = jwk
  return `${JSON.stringify({ kty, crv, x, kid: await calculateJwkThumbprint({ kty, crv, x }), alg: 'EdDSA', use: 'sig' })}\n`
}

/** Writes `key.json` when there is none. Returns what is wrong when there is another one; it is never replaced. */
export async function keepKey(folder: string, jwk: PublicJwk): Promise<string | undefined> {
  const file = join(folder, keyFile)
  const text = await keyText(jwk)
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) {
    writeWhole(file, text)
    return undefined
  }
  if (!isRegular(file)) return `${keyFile} is not a regular file of this account`
  return readRegular(file).toString('utf8') === text ? undefined : `${keyFile} is not the key that this store signs with`
}

/** On a full disk no half of a key stays behind, which would look like one that somebody changed. */
function writeWhole(file: string, text: string): void {
  const fresh = `${file}.new`
  try {
    rmSync(fresh, { force: true })
    writeFileSync(fresh, text, { flag: 'wx', mode: 0o600, flush: true })
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}

export async function signCheckpoint(checkpoint: Checkpoint, signer: CheckpointSigner): Promise<string> {
  const kid = await calculateJwkThumbprint(signer.publicJwk)
  return new CompactSign(Buffer.from(JSON.stringify(checkpoint)))
    .setProtectedHeader({ alg: 'EdDSA', typ: checkpointType, kid })
    .sign(signer.key)
}

/** Appends one signed checkpoint as a line `{"jws":…}`, durably, or leaves the file as it was and throws. */
export async function appendCheckpoint(folder: string, jws: string): Promise<void> {
  await withCheckpointFile(folder, async (descriptor, size) => {
    try {
      appendFileSync(descriptor, `{"jws":"${jws}"}\n`)
      // Calls go on meanwhile: a disk may take long for it.
      await promisify(fdatasync)(descriptor)
    } catch (error) {
      ftruncateSync(descriptor, size)
      throw error
    }
  })
}

/** Cuts half a line off, which a crash left: that checkpoint said nothing that the next one does not. */
export function mendCheckpoints(folder: string): void {
  if (existsSync(join(folder, checkpointFile))) closeSync(openCheckpoints(folder).descriptor)
}

async function withCheckpointFile(folder: string, work: (descriptor: number, size: number) => Promise<void>): Promise<void> {
  const { descriptor, size } = openCheckpoints(folder)
  try {
    await work(descriptor, size)
  } finally {
    closeSync(descriptor)
  }
}

/** The file without half a line at its end, and its size. */
function openCheckpoints(folder: string): { descriptor: number; size: number } {
  const file = join(folder, checkpointFile)
  const descriptor = openRegular(file, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT)
  try {
    const size = wholeLines(file)
    if (size < fstatSync(descriptor).size) ftruncateSync(descriptor, size)
    return { descriptor, size }
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

/** Where the last whole line of a file ends. */
function wholeLines(file: string): number {
  for (const last of linesBackward(file)) return last.whole ? last.start + last.bytes.length + 1 : last.start
  return 0
}

async function importSigner(text: string): Promise<CheckpointSigner> {
  try {
    const jwk = privateJwk.parse(JSON.parse(text))
    const key = await importJWK({ ...jwk }, 'EdDSA', { extractable: false })
    if (key instanceof Uint8Array) throw new TypeError('a symmetric key')
    return { key, publicJwk: publicJwk.parse(jwk) }
  } catch {
    // The cause may quote the key.
    throw new JitError('store.corrupt', 'the sealed signing key of the trail is not an Ed25519 key')
  }
}
