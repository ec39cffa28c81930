import { hkdfSync, timingSafeEqual } from 'node:crypto'
import { type CompactJWEHeaderParameters, CompactEncrypt, compactDecrypt, type CryptoKey, decodeProtectedHeader } from 'jose'
import { JitError, quote } from '../core/errors.ts'

/** What is derived from one master key. The master key itself encrypts nothing. */
export interface KeySet {
  /** Stands as `kid` in every ciphertext. */
  readonly id: string
  readonly content: CryptoKey
  readonly fingerprint: Uint8Array
  /** Proves without a ciphertext that a master key is the one of this store. */
  readonly check: string
}

/** A compact JWE with direct encryption: its second part, the encrypted key, is empty. */
const compactJwe = /[\w-]+\.\.[\w-]+\.[\w-]*\.[\w-]+/g

export async function deriveKeys(master: Uint8Array, id: string): Promise<KeySet> {
  const derive = (purpose: string): Uint8Array<ArrayBuffer> => new Uint8Array(hkdfSync('sha256', master, id, `jit ${purpose}`, 32))
  return {
    id,
    content: await crypto.subtle.importKey('raw', derive('content'), 'AES-GCM', false, ['encrypt', 'decrypt']),
    fingerprint: derive('fingerprint'),
    check: Buffer.from(derive('check')).toString('base64url'),
  }
}

export function sameCheck(keys: KeySet, check: string): boolean {
  const [ours, theirs] = [Buffer.from(keys.check), Buffer.from(check)]
  return ours.length === theirs.length && timingSafeEqual(ours, theirs)
}

/** `purpose` and the key's id stand in the protected header, which AES-GCM authenticates. */
export async function encrypt(keys: KeySet, plaintext: Uint8Array, purpose: string): Promise<string> {
  return new CompactEncrypt(plaintext).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: keys.id, purpose }).encrypt(keys.content)
}

/** Throws `store.wrong-key` when none of `known` is its key, `store.corrupt` when it was altered or belongs elsewhere. */
export async function decrypt(known: ReadonlyMap<string, KeySet>, sealed: string, purpose: string): Promise<Uint8Array> {
  const header = readHeader(sealed, purpose)
  const keys = known.get(typeof header.kid === 'string' ? header.kid : '')
  if (keys === undefined) throw new JitError('store.wrong-key', `the sealed value of ${quote(purpose)} was sealed with another key`)
  if (header['purpose'] !== purpose) {
    throw new JitError('store.corrupt', `the sealed value of ${quote(header['purpose'])} stands where that of ${quote(purpose)} belongs`)
  }
  const opened = await compactDecrypt(sealed, keys.content, {
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: ['A256GCM'],
    maxDecompressedLength: 0,
  }).catch((error: unknown) => {
    throw altered(purpose, error)
  })
  return opened.plaintext
}

/** `text` with every ciphertext in it (one bare, or several in JSON) sealed anew, each for its own purpose. */
export async function reseal(text: string, from: KeySet, to: KeySet): Promise<string> {
  const known = new Map([[from.id, from]])
  const sealed = new Map<string, string>()
  for (const [old] of text.matchAll(compactJwe)) {
    const header = readHeader(old, 'a row')
    const purpose = String(header['purpose'])
    sealed.set(old, await encrypt(to, await decrypt(known, old, purpose), purpose))
  }
  return text.replace(compactJwe, (old) => sealed.get(old) ?? old)
}

/** Which key sealed it; undefined for what is no ciphertext of a store. */
export function keyIdOf(sealed: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(sealed)
    return typeof kid === 'string' && kid !== '' ? kid : undefined
  } catch {
    return undefined
  }
}

function readHeader(sealed: string, purpose: string): Partial<CompactJWEHeaderParameters> {
  try {
    return decodeProtectedHeader(sealed)
  } catch (error) {
    throw altered(purpose, error)
  }
}

function altered(purpose: string, cause: unknown): JitError {
  return new JitError('store.corrupt', `the sealed value of ${quote(purpose)} was altered or damaged`, { cause })
}
