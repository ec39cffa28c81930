import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { JitError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import { decrypt, deriveKeys, keyIdOf, sameCheck } from './ciphertext.ts'
import { createKeyFile, readKeyFile } from './key-file.ts'
import type { Keychain } from './keychain.ts'
import type { Store } from './store.ts'

/** Of which store the key is, and where it may be. */
export interface KeyPlaces {
  readonly store: Store
  /** Where the key file stands when there is no keychain. */
  readonly stateFolder: string
  /** Undefined: do not use one. */
  readonly keychain: Keychain | undefined
  readonly log: Logger
}

/** Where the key is, in the store's meta table. `check` is derived from the key and tells a wrong one. */
const sealing = z.strictObject({
  version: z.literal(1),
  key: z.enum(['keychain', 'passphrase', 'file']),
  id: z.string().min(1),
  check: z.string(),
  wrapped: z.string().optional(),
})
export type Sealing = z.infer<typeof sealing>

/** Its name in the meta table. */
export const sealingKey = 'sealing'

/** The first start: a new key, in the keychain when one is given and works, else in a file. */
export async function createKey(options: KeyPlaces): Promise<Sealing> {
  const { store } = options
  if (store.secrets.names().length > 0) throw new JitError('store.corrupt', 'the store holds secrets but does not say where their key is')
  const id = newKeyId()
  // A key file without a row in the store is one whose daemon died right here, or whose store was moved aside: it is taken, never replaced.
  const found = readKeyFile(keyFile(options))
  const master = found ?? randomBytes(32)
  const key = found === undefined && (await takenByKeychain(options, id, master)) ? 'keychain' : 'file'
  if (key === 'file' && found === undefined) createKeyFile(keyFile(options), master)
  const made: Sealing = { version: 1, key, id, check: (await deriveKeys(master, id)).check }
  master.fill(0)
  store.meta.set(sealingKey, JSON.stringify(made))
  return made
}

/**
 * What `sealing` must have said, when the store has lost it: the key is in the key file of `stateFolder`, and `sealed` (any
 * sealed value of the store) opens with it. Undefined when that cannot be proved. Throws as `readKeyFile` does.
 */
export async function sealingFromKeyFile(stateFolder: string, sealed: string, purpose: string): Promise<string | undefined> {
  const id = keyIdOf(sealed)
  const master = readKeyFile(join(stateFolder, 'key'))
  if (master === undefined || id === undefined) return undefined
  const keys = await deriveKeys(master, id)
  master.fill(0)
  const opened = await decrypt(new Map([[id, keys]]), sealed, purpose).catch(() => undefined)
  if (opened === undefined) return undefined
  opened.fill(0)
  const made: Sealing = { version: 1, key: 'file', id, check: keys.check }
  return JSON.stringify(made)
}

/** Whether this is what a store says about its key. */
export function isSealing(text: string | undefined): text is string {
  return text !== undefined && sealing.safeParse(parseJson(text)).success
}

/** Whether what a store says is of another key than that in the key file of `stateFolder`; false where no key file is meant or there. */
export async function isOfAnotherKey(said: string, stateFolder: string): Promise<boolean> {
  const { key, id, check } = sealing.parse(parseJson(said))
  const master = key === 'file' ? readKeyFile(join(stateFolder, 'key')) : undefined
  if (master === undefined) return false
  const keys = await deriveKeys(master, id)
  master.fill(0)
  return !sameCheck(keys, check)
}

async function takenByKeychain({ keychain, log }: KeyPlaces, id: string, master: Uint8Array): Promise<boolean> {
  if (keychain === undefined) return false
  try {
    await keychain.set(accountOf(id), new Secret(Buffer.from(master).toString('base64url')))
    return true
  } catch (error) {
    log.warn('keychain does not take the key; a key file is used', { error: String(error) })
    return false
  }
}

export function readSealing(store: Store): Sealing | undefined {
  const text = store.meta.get(sealingKey)
  if (text === undefined) return undefined
  const read = sealing.safeParse(parseJson(text))
  if (!read.success) throw new JitError('store.corrupt', 'what the store says about its key cannot be read', { cause: read.error })
  return read.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function keyFile(options: Pick<KeyPlaces, 'stateFolder'>): string {
  return join(options.stateFolder, 'key')
}

/** Its name in the keychain. */
export function accountOf(id: string): string {
  return `store-key-${id}`
}

export function newKeyId(): string {
  return randomBytes(8).toString('hex')
}
