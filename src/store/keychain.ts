/** The operating system's keychain: macOS Keychain, Windows Credential Manager, or the Secret Service on a Linux desktop. */
export interface Keychain {
  get(account: string): string | undefined
  set(account: string, value: string): void
  delete(account: string): void
}

const service = 'jit'

/** The keychain if one works here: a value written is read back. Undefined on servers, in containers, without the package. */
export async function systemKeychain(): Promise<Keychain | undefined> {
  try {
    const { Entry } = await import('@napi-rs/keyring')
    const keychain: Keychain = {
      get: (account) => new Entry(service, account).getPassword() ?? undefined,
      set: (account, value) => new Entry(service, account).setPassword(value),
      delete: (account) => void new Entry(service, account).deletePassword(),
    }
    keychain.set('probe', 'works')
    const works = keychain.get('probe') === 'works'
    keychain.delete('probe')
    return works ? keychain : undefined
  } catch {
    return undefined
  }
}
