import { hkdfSync, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { JitError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import type { Keychain } from './keychain.ts'
import type { Store } from './store.ts'

/** Opens and closes the secret store. `purpose` names what is sealed; a row moved to another purpose does not open. */
export interface Sealer {
  readonly state: 'open' | 'sealed'
  readonly key: 'keychain' | 'passphrase' | 'file'
  /** One sentence that says plainly where the key is. */
  readonly note: string
  /** Key of the fingerprints in logs and trail; throws `store.sealed`. */
  readonly fingerprintKey: Uint8Array
  seal(secret: Secret, purpose: string): Promise<string>
  open(sealed: string, purpose: string): Promise<Secret>
  close(): void
  /** Throws `store.wrong-key`. */
  unseal(passphrase?: Secret): Promise<void>
  /** From here on the key is wrapped by a passphrase and nowhere else. */
  rekey(passphrase: Secret): Promise<void>
}

const account = 'store-key'
/** PBKDF2 rounds for PBES2-HS512+A256KW: OWASP's figure for SHA-512 is 210,000. */
const passphraseRounds = 300_000

export async function openSealer(options: {
  store: Store
  stateFolder: string
  keychain: Keychain | undefined
  log: Logger
}): Promise<Sealer> {
  const { store, keychain } = options
  const keyFile = join(options.stateFolder, 'key')
  let kind = parseKind(store.meta.get('sealer.key'))
  let master: Uint8Array | undefined
  let fingerprintKey: Uint8Array | undefined

  const use = (key: Uint8Array): void => {
    master = key
    fingerprintKey = new Uint8Array(hkdfSync('sha256', key, '', 'jit fingerprint', 32))
  }
  const load = (): Uint8Array => {
    const text = kind === 'keychain' ? keychain?.get(account) : readKeyFile(keyFile)
    if (text === undefined)
      throw new JitError(
        'store.wrong-key',
        kind === 'keychain' ? 'the OS keychain does not give the store’s key' : `there is no key file ${keyFile}`,
      )
    return Buffer.from(text, 'base64url')
  }
  const check = async (key: Uint8Array): Promise<void> => {
    const sealed = store.meta.get('sealer.check')
    if (sealed === undefined) store.meta.set('sealer.check', await encrypt(key, 'jit', 'check'))
    else if ((await decrypt(key, sealed, 'check')) !== 'jit') throw new JitError('store.wrong-key', 'the key does not open this store')
  }
  if (kind === undefined) {
    kind = keychain === undefined ? 'file' : 'keychain'
    const key = randomBytes(32)
    if (keychain === undefined) createKeyFile(keyFile, key.toString('base64url'))
    else keychain.set(account, key.toString('base64url'))
    store.meta.set('sealer.key', kind)
  }
  if (kind !== 'passphrase') {
    const key = load()
    await check(key)
    use(key)
  }
  const need = (): Uint8Array => {
    if (master === undefined) throw new JitError('store.sealed', 'the secret store is sealed')
    return master
  }
  return {
    get state() {
      return master === undefined ? 'sealed' : 'open'
    },
    get key() {
      return kind ?? 'file'
    },
    get note() {
      if (kind === 'keychain') return 'the key is in the OS keychain'
      if (kind === 'passphrase') return 'the key is wrapped by a passphrase, which is stored nowhere'
      return `the key is in ${keyFile} (mode 0600): any program of this account can read it; \`jit seal --passphrase\` is stronger`
    },
    get fingerprintKey() {
      if (fingerprintKey === undefined) throw new JitError('store.sealed', 'the secret store is sealed')
      return fingerprintKey
    },
    seal: async (secret, purpose) => secret.seal((value) => encrypt(need(), value, purpose)),
    open: async (sealed, purpose) => new Secret(await decrypt(need(), sealed, purpose)),
    close() {
      master = undefined
    },
    async unseal(passphrase) {
      if (kind !== 'passphrase') {
        const key = load()
        await check(key)
        return use(key)
      }
      if (passphrase === undefined) throw new JitError('store.wrong-key', 'this store needs its passphrase')
      const key = await unwrap(store.meta.get('sealer.wrapped') ?? '', passphrase)
      await check(key)
      use(key)
    },
    async rekey(passphrase) {
      const key = need()
      const wrapped = await passphrase.seal((value) => wrap(key, value))
      store.meta.set('sealer.wrapped', wrapped)
      store.meta.set('sealer.key', 'passphrase')
      if (kind === 'keychain') keychain?.delete(account)
      else if (kind === 'file') overwrite(keyFile)
      kind = 'passphrase'
    },
  }
}

async function encrypt(key: Uint8Array, value: string, purpose: string): Promise<string> {
  return new CompactEncrypt(Buffer.from(value)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: purpose }).encrypt(key)
}

async function decrypt(key: Uint8Array, sealed: string, purpose: string): Promise<string> {
  const opened = await compactDecrypt(sealed, key, { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] }).catch(
    (error: unknown) => {
      throw new JitError('store.wrong-key', 'the key does not open this store', { cause: error })
    },
  )
  if (opened.protectedHeader.typ !== purpose)
    throw new JitError(
      'store.corrupt',
      `a sealed value for ${JSON.stringify(opened.protectedHeader.typ)} stands where one for ${JSON.stringify(purpose)} belongs`,
    )
  return Buffer.from(opened.plaintext).toString('utf8')
}

async function wrap(key: Uint8Array, passphrase: string): Promise<string> {
  return new CompactEncrypt(key)
    .setProtectedHeader({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', typ: 'key' })
    .setKeyManagementParameters({ p2c: passphraseRounds, p2s: randomBytes(16) })
    .encrypt(Buffer.from(passphrase))
}

async function unwrap(wrapped: string, passphrase: Secret): Promise<Uint8Array> {
  const opened = await passphrase
    .seal((value) =>
      compactDecrypt(wrapped, Buffer.from(value), { keyManagementAlgorithms: ['PBES2-HS512+A256KW'], maxPBES2Count: passphraseRounds }),
    )
    .catch((error: unknown) => {
      throw new JitError('store.wrong-key', 'the passphrase does not open this store', { cause: error })
    })
  return opened.plaintext
}

function createKeyFile(file: string, text: string): void {
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  writeSync(descriptor, text)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/** Refuses a link, another owner's file and one that others may read. */
function readKeyFile(file: string): string | undefined {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return undefined
    throw new JitError('daemon.unsafe', `the key file ${file} cannot be opened safely`, { cause: error })
  }
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile() || (found.mode & 0o077) !== 0 || found.uid !== process.getuid?.())
      throw new JitError('daemon.unsafe', `the key file ${file} must be a file of mode 0600 that this account owns`)
    return readFileSync(descriptor, 'utf8').trim()
  } finally {
    closeSync(descriptor)
  }
}

function overwrite(file: string): void {
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

function parseKind(text: string | undefined): Sealer['key'] | undefined {
  return text === 'keychain' || text === 'passphrase' || text === 'file' ? text : undefined
}
