import { randomBytes } from 'node:crypto'
import { Secret } from '../core/secret.ts'

/** A keychain of the operating system. Every method throws when it is locked, gone or silent for too long. */
export interface Keychain {
  /** Undefined when there is no such entry. */
  get(account: string): Promise<Secret | undefined>
  set(account: string, secret: Secret): Promise<void>
  /** Deleting what is not there is no error. */
  delete(account: string): Promise<void>
}

const service = 'jit'
/** Milliseconds. An unlocked keychain answers in a few; one that waits for a person must not hold up the daemon's start. */
const patience = 3000

/**
 * macOS Keychain, Windows Credential Manager or the Secret Service of a Linux desktop, if it works: a canary is set,
 * read back and deleted first. Undefined on servers, in containers, and where the optional package is missing.
 */
export async function systemKeychain(): Promise<Keychain | undefined> {
  try {
    const { AsyncEntry } = await import('@napi-rs/keyring')
    // Without this the package falls back to the kernel's keyring, which forgets everything at the next boot.
    const options = { linux: { store: 'secret-service' } } as const
    const entry = (account: string) => new AsyncEntry(service, account, options)
    const keychain: Keychain = {
      async get(account) {
        const value = await inTime((signal) => entry(account).getPassword(signal))
        return value === null || value === undefined ? undefined : new Secret(value)
      },
      set: (account, secret) => secret.seal((value) => inTime((signal) => entry(account).setPassword(value, signal))),
      async delete(account) {
        await inTime((signal) => entry(account).deletePassword(signal))
      },
    }
    return (await works(keychain)) ? keychain : undefined
  } catch {
    return undefined
  }
}

/** Whether a value that is set can be read back; leaves nothing behind. Throws what the keychain throws. */
export async function works(keychain: Keychain): Promise<boolean> {
  const canary = randomBytes(16).toString('hex')
  const account = `probe-${canary.slice(0, 8)}`
  await keychain.set(account, new Secret(canary))
  const back = await keychain.get(account)
  await keychain.delete(account)
  return back?.seal((value) => value === canary) ?? false
}

/** The native call may ignore its signal, so the wait itself ends too. */
export async function inTime<T>(call: (signal: AbortSignal) => Promise<T>, within = patience): Promise<T> {
  const signal = AbortSignal.timeout(within)
  const silence = new Promise<never>((_, fail) => {
    signal.addEventListener('abort', () => fail(new Error(`the keychain did not answer within ${within} ms`)), { once: true })
  })
  // Without a Secret Service the native package throws before it gives a promise. Where that left `silence` with nobody who
  // listens, its end would be a rejection that nobody handles: the end of the daemon, `patience` after its start.
  const answer = (async () => call(signal))()
  return Promise.race([answer, silence])
}
