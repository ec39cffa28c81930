import { randomBytes } from 'node:crypto'
import { JitError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { decrypt, deriveKeys, encrypt, type KeySet, sameCheck } from './ciphertext.ts'
import { readKeyFile, removeKeyFile } from './key-file.ts'
import { unwrapKey, wrapKey } from './passphrase.ts'
import { resealRows } from './reseal-rows.ts'
import { accountOf, createKey, keyFile, type KeyPlaces, newKeyId, readSealing, type Sealing, sealingKey } from './sealing.ts'

/** Seals and opens secrets under the store's key. */
export interface Sealer {
  readonly state: 'open' | 'sealed'
  readonly key: 'keychain' | 'passphrase' | 'file'
  /** One sentence that says plainly where the key is and who can get at it. */
  readonly note: string
  /** Key of the fingerprints in logs and trail, derived from the store's key; changes with `rekey`. Throws `store.sealed`. */
  readonly fingerprintKey: Uint8Array
  /**
   * A compact JWE for the store's `secrets` or `leases` table. `purpose` names the place it is for (`provider/acme/key`) and
   * is bound to it: opened for another purpose, it is refused. The caller writes it before it awaits anything else, so
   * that no `rekey` comes between. Throws `store.sealed`.
   */
  seal(secret: Secret, purpose: string): Promise<string>
  /** Throws `store.sealed`, `store.wrong-key` (another key sealed it), `store.corrupt` (altered, or for another purpose). */
  open(sealed: string, purpose: string): Promise<Secret>
  /** Forgets the key. */
  close(): void
  /** Throws `store.wrong-key`, `daemon.unsafe`; does nothing when open already. */
  unseal(passphrase?: Secret): Promise<void>
  /**
   * Makes a new key that only this passphrase opens, seals every row anew with it in one transaction, and removes the old
   * key. A crash on the way leaves the old key with the old rows, or the new with the new. Throws `usage` when the
   * passphrase is too short.
   */
  rekey(passphrase: Secret): Promise<void>
}

/**
 * The sealer of a store, open unless its key needs a passphrase or a keychain that does not answer. Throws `daemon.unsafe`
 * (key file that others can read or replace), `store.wrong-key` (key missing or not this store's), `store.corrupt`.
 */
export async function openSealer(options: KeyPlaces): Promise<Sealer> {
  const found = readSealing(options.store)
  const current = found ?? (await createKey(options))
  const sealer = new StoreSealer(options, current)
  if (current.key === 'passphrase') {
    removeOldKeyFile(options)
    return sealer
  }
  try {
    await sealer.unseal()
  } catch (error) {
    if (current.key === 'file') throw error
    options.log.warn('keychain does not give the key; the store stays sealed', { error: String(error) })
  }
  return sealer
}

class StoreSealer implements Sealer {
  readonly #options: KeyPlaces
  #sealing: Sealing
  #keys: KeySet | undefined
  /** The current key, and those that `rekey` replaced while this process held rows it had read before. */
  #known = new Map<string, KeySet>()
  #sealingNow = new Set<Promise<string>>()
  #rekeying: Promise<void> | undefined

  constructor(options: KeyPlaces, current: Sealing) {
    this.#options = options
    this.#sealing = current
  }

  get state(): Sealer['state'] {
    return this.#keys === undefined ? 'sealed' : 'open'
  }

  get key(): Sealer['key'] {
    return this.#sealing.key
  }

  get note(): string {
    switch (this.#sealing.key) {
      case 'file':
        return `key file ${keyFile(this.#options)} (mode 0600): any program of this account can read it; \`jit seal --passphrase\` is stronger`
      case 'passphrase':
        return 'passphrase, stored nowhere: `jit unseal` asks for it after each start of the daemon'
      case 'keychain':
        return this.#options.keychain === undefined
          ? 'the key is in the keychain of the operating system, which does not work here'
          : 'keychain of the operating system: as safe as its own rules for programs of this account'
    }
  }

  get fingerprintKey(): Uint8Array {
    return this.#open().fingerprint
  }

  async seal(secret: Secret, purpose: string): Promise<string> {
    while (this.#rekeying !== undefined) await this.#rekeying.catch(() => undefined)
    const sealed = secret.seal((value) => encrypt(this.#open(), Buffer.from(value, 'utf8'), purpose))
    this.#sealingNow.add(sealed)
    return sealed.finally(() => this.#sealingNow.delete(sealed))
  }

  async open(sealed: string, purpose: string): Promise<Secret> {
    this.#open()
    return new Secret(Buffer.from(await decrypt(this.#known, sealed, purpose)).toString('utf8'))
  }

  close(): void {
    this.#keys = undefined
    this.#known = new Map()
  }

  async unseal(passphrase?: Secret): Promise<void> {
    if (this.#keys !== undefined) return
    const master = await this.#readMaster(passphrase)
    const keys = await deriveKeys(master, this.#sealing.id)
    master.fill(0)
    if (!sameCheck(keys, this.#sealing.check))
      throw new JitError('store.wrong-key', `the key in ${this.#place()} is not the key of this store`)
    this.#use(keys)
  }

  async rekey(passphrase: Secret): Promise<void> {
    this.#open()
    const master = randomBytes(32)
    const keys = await deriveKeys(master, newKeyId())
    const after: Sealing = { version: 1, key: 'passphrase', id: keys.id, check: keys.check, wrapped: await wrapKey(master, passphrase) }
    master.fill(0)
    while (this.#rekeying !== undefined) await this.#rekeying.catch(() => undefined)
    this.#rekeying = this.#replaceKey(keys, after)
    try {
      await this.#rekeying
    } finally {
      this.#rekeying = undefined
    }
  }

  async #replaceKey(keys: KeySet, after: Sealing): Promise<void> {
    const { store } = this.#options
    const before = this.#sealing
    const old = this.#open()
    await Promise.allSettled(this.#sealingNow)
    // Whoever just got a sealed value writes it in this turn; its row is then among those that are sealed anew.
    await new Promise((settle) => setImmediate(settle))
    await resealRows(store, old, keys, () => store.meta.set(sealingKey, JSON.stringify(after)))
    this.#sealing = after
    if (this.#keys !== undefined) this.#use(keys)
    await this.#removeOldKey(before)
  }

  async #removeOldKey(before: Sealing): Promise<void> {
    try {
      this.#options.store.flush()
      if (before.key === 'file') removeKeyFile(keyFile(this.#options))
      if (before.key === 'keychain') await this.#options.keychain?.delete(accountOf(before.id))
    } catch (error) {
      this.#options.log.warn('the old key could not be removed; it opens nothing in the store any more', {
        key: before.key,
        error: String(error),
      })
    }
  }

  async #readMaster(passphrase: Secret | undefined): Promise<Uint8Array> {
    const { key, id, wrapped } = this.#sealing
    switch (key) {
      case 'file': {
        const master = readKeyFile(keyFile(this.#options))
        if (master === undefined)
          throw new JitError('store.wrong-key', `${this.#place()} is missing`, {
            hint: 'Restore it from a copy; what it sealed cannot be opened without it.',
          })
        return master
      }
      case 'keychain': {
        const { keychain } = this.#options
        if (keychain === undefined)
          throw new JitError('store.sealed', `${this.#place()} holds the key, and does not work here`, {
            hint: 'Unlock the keychain (or allow its use) and run `jit unseal`.',
          })
        const secret = await keychain.get(accountOf(id))
        if (secret === undefined) throw new JitError('store.wrong-key', `${this.#place()} has no entry ${accountOf(id)} of jit any more`)
        return secret.seal((text) => Buffer.from(text, 'base64url'))
      }
      case 'passphrase':
        if (passphrase === undefined) throw new JitError('store.wrong-key', 'this store needs its passphrase')
        return unwrapKey(wrapped ?? '', passphrase)
    }
  }

  #place(): string {
    return this.#sealing.key === 'file' ? `key file ${keyFile(this.#options)}` : 'the keychain of the operating system'
  }

  #use(keys: KeySet): void {
    this.#keys = keys
    this.#known.set(keys.id, keys)
  }

  #open(): KeySet {
    if (this.#keys === undefined) throw new JitError('store.sealed', 'the secret store is sealed')
    return this.#keys
  }
}

/** A crash between the last steps of `rekey` leaves the old file; it opens nothing any more. */
function removeOldKeyFile(options: KeyPlaces): void {
  try {
    removeKeyFile(keyFile(options))
  } catch (error) {
    options.log.warn('the old key file could not be removed; it opens nothing in the store any more', { error: String(error) })
  }
}
