import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import type { Logger } from '../../../src/core/types.ts'
import { type Keychain, works } from '../../../src/store/keychain.ts'
import { openSealer, type Sealer } from '../../../src/store/sealer.ts'
import { openStore } from '../../../src/store/sqlite.ts'
import type { Store } from '../../../src/store/store.ts'
import { lease, openTestStore, temporaryFolder } from './support.ts'
import { cases } from '../../support/cases.ts'

const passphrase = new Secret('correct horse battery')
const canary = `canary-${'q'.repeat(40)}`

describe('sealing', () => {
  it('gives back every text, and only for the purpose it was sealed for', async () => {
    const { sealer } = await home()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), fc.string(), async (text, purpose, other) => {
        const sealed = await sealer.seal(new Secret(text), purpose)
        expect(shown(await sealer.open(sealed, purpose))).toBe(text)
        if (other !== purpose) await expect(sealer.open(sealed, other)).rejects.toMatchObject({ code: 'store.corrupt' })
      }),
      { numRuns: cases(50) },
    )
  })

  it('makes another ciphertext each time, in which the text does not stand', async () => {
    const { sealer } = await home()
    const [first, second] = [await sealer.seal(new Secret(canary), 'a'), await sealer.seal(new Secret(canary), 'a')]
    expect(first).not.toBe(second)
    expect(first).toMatch(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/)
    expect(Buffer.from(first, 'base64url').toString('latin1')).not.toContain(canary)
  })

  it('refuses a ciphertext with any character changed', async () => {
    const { sealer } = await home()
    const sealed = await sealer.seal(new Secret(canary), 'a')
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.constantFrom(...'AZaz09-_.'), async (index, character) => {
        const forged = sealed.slice(0, index) + character + sealed.slice(index + 1)
        // The last character of a part may carry bits that no decoder reads.
        const opened = await sealer.open(forged, 'a').then(shown, (error: unknown) => error)
        if (opened !== canary) expect(opened).toMatchObject({ code: expect.stringMatching(/^store\.(corrupt|wrong-key)$/) })
        else expect(decoded(forged)).toEqual(decoded(sealed))
      }),
    )
    for (const rubbish of ['', 'x', '....', '{}', sealed.slice(0, 40)]) {
      await expect(sealer.open(rubbish, 'a')).rejects.toMatchObject({ code: 'store.corrupt' })
    }
  })

  it('refuses a ciphertext of another home', async () => {
    const [one, two] = [await home(), await home()]
    const sealed = await one.sealer.seal(new Secret(canary), 'a')
    await expect(two.sealer.open(sealed, 'a')).rejects.toMatchObject({ code: 'store.wrong-key' })
  })

  it('forgets the key at close and takes it up again at unseal', async () => {
    const { sealer } = await home()
    const sealed = await sealer.seal(new Secret(canary), 'a')
    const fingerprint = new Secret('x').fingerprint(sealer.fingerprintKey)
    sealer.close()
    expect(sealer.state).toBe('sealed')
    await expect(sealer.open(sealed, 'a')).rejects.toMatchObject({ code: 'store.sealed' })
    await expect(sealer.seal(new Secret('x'), 'a')).rejects.toMatchObject({ code: 'store.sealed' })
    await expect(sealer.rekey(passphrase)).rejects.toMatchObject({ code: 'store.sealed' })
    expect(() => sealer.fingerprintKey).toThrow(expect.objectContaining({ code: 'store.sealed' }))
    await sealer.unseal()
    expect(shown(await sealer.open(sealed, 'a'))).toBe(canary)
    expect(new Secret('x').fingerprint(sealer.fingerprintKey)).toBe(fingerprint)
  })
})

describe('the key file', () => {
  it('is made once with mode 0600, and the note says what it is worth', async () => {
    const { sealer, folder, store } = await home()
    const file = join(folder, 'key')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(sealer).toMatchObject({
      state: 'open',
      key: 'file',
      note: expect.stringContaining(`${file} (mode 0600): any program of this account can read it`),
    })
    const before = readFileSync(file)
    const sealed = await sealer.seal(new Secret(canary), 'a')
    const again = await open(store, folder)
    expect(shown(await again.open(sealed, 'a'))).toBe(canary)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it.each([
    ['others may read it', (file: string) => chmodSync(file, 0o640), 'daemon.unsafe'],
    ['it is a symbolic link', link, 'daemon.unsafe'],
    ['it is gone', (file: string) => unlinkSync(file), 'store.wrong-key'],
    ['it holds no key', (file: string) => writeFileSync(file, 'rubbish'), 'store.wrong-key'],
    ['it holds another key', (file: string) => writeFileSync(file, `${Buffer.alloc(32, 7).toString('base64url')}\n`), 'store.wrong-key'],
  ])('is refused when %s, and nothing is overwritten', async (_, spoil, code) => {
    const { folder, store } = await home()
    const file = join(folder, 'key')
    spoil(file)
    const before = existsSync(file) ? readFileSync(file) : undefined
    await expect(open(store, folder)).rejects.toMatchObject({ code })
    expect(existsSync(file) ? readFileSync(file) : undefined).toEqual(before)
  })

  it('of a daemon that died before it noted it is taken, not replaced', async () => {
    const { folder, store } = await home()
    const before = readFileSync(join(folder, 'key'))
    store.meta.delete('sealing')
    expect((await open(store, folder)).state).toBe('open')
    expect(readFileSync(join(folder, 'key')).equals(before)).toBe(true)
  })

  it('that holds no key is refused at the first start too', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'key'), 'c2hvcnQ', { mode: 0o600 })
    await expect(open(openTestStore(folder), folder)).rejects.toMatchObject({ code: 'store.wrong-key' })
  })

  it('is not made anew over a store that holds secrets but lost its note', async () => {
    const { folder, store, sealer } = await home()
    store.secrets.set('a', await sealer.seal(new Secret(canary), 'a'))
    store.meta.delete('sealing')
    await expect(open(store, folder)).rejects.toMatchObject({ code: 'store.corrupt' })
    store.meta.set('sealing', '{"version":1}')
    await expect(open(store, folder)).rejects.toMatchObject({ code: 'store.corrupt' })
  })
})

describe('a keychain', () => {
  it('holds the key instead of a file, until a passphrase does', async () => {
    const keychain = fakeKeychain()
    const { sealer, folder, store } = await home(keychain)
    expect(sealer).toMatchObject({ key: 'keychain', state: 'open' })
    expect(existsSync(join(folder, 'key'))).toBe(false)
    expect(keychain.entries.size).toBe(1)
    expect((await open(store, folder, keychain)).state).toBe('open')
    await sealer.rekey(passphrase)
    expect(keychain.entries.size).toBe(0)
  })

  it('that takes nothing is replaced by a key file', async () => {
    const keychain = fakeKeychain()
    keychain.broken = true
    const { sealer, folder } = await home(keychain)
    expect(sealer.key).toBe('file')
    expect(existsSync(join(folder, 'key'))).toBe(true)
  })

  it('that does not answer later leaves the store sealed until it does, and no new key is made', async () => {
    const keychain = fakeKeychain()
    const { folder, store } = await home(keychain)
    const absent = await open(store, folder)
    expect(absent).toMatchObject({ state: 'sealed', key: 'keychain', note: expect.stringContaining('does not work here') })
    await expect(absent.unseal()).rejects.toMatchObject({ code: 'store.sealed' })
    keychain.broken = true
    const sealer = await open(store, folder, keychain)
    expect(sealer.state).toBe('sealed')
    keychain.broken = false
    await sealer.unseal()
    expect(sealer.state).toBe('open')
    expect(existsSync(join(folder, 'key'))).toBe(false)
  })

  it('is probed with a canary that it does not keep', async () => {
    const keychain = fakeKeychain()
    expect(await works(keychain)).toBe(true)
    expect(keychain.entries.size).toBe(0)
    expect(await works({ ...keychain, get: async () => new Secret('other') })).toBe(false)
  })
})

describe('a passphrase', () => {
  it('replaces the key file: every row opens as before, nothing opens without it', async () => {
    const { sealer, folder, store } = await home()
    store.secrets.set('a', await sealer.seal(new Secret(canary), 'a'))
    const parts = {
      token: await sealer.seal(new Secret('t'), 'lease/lease_1/token'),
      id: await sealer.seal(new Secret('i'), 'lease/lease_1/id'),
    }
    store.leases.insert(lease({ sealed: JSON.stringify(parts) }))
    store.leases.insert(lease({ id: 'lease_2', state: 'revoked', sealed: '' }))
    const oldKey = readFileSync(join(folder, 'key'), 'latin1').trim()
    const oldRow = store.secrets.get('a') ?? ''
    await sealer.rekey(passphrase)
    expect(sealer).toMatchObject({ state: 'open', key: 'passphrase' })
    expect(existsSync(join(folder, 'key'))).toBe(false)
    for (const name of ['jit.db', 'jit.db-wal']) {
      const bytes = readFileSync(join(folder, name), 'latin1')
      expect(bytes).not.toContain(oldRow)
      expect(bytes).not.toContain(oldKey)
    }

    const later = await open(store, folder)
    expect(later.state).toBe('sealed')
    await expect(later.unseal()).rejects.toMatchObject({ code: 'store.wrong-key' })
    await expect(later.unseal(new Secret('another passphrase'))).rejects.toMatchObject({ code: 'store.wrong-key' })
    await later.unseal(passphrase)
    expect(shown(await later.open(store.secrets.get('a') ?? '', 'a'))).toBe(canary)
    const row: { token: string; id: string } = JSON.parse(store.leases.get('lease_1')?.sealed ?? '{}')
    expect(shown(await later.open(row.token, 'lease/lease_1/token'))).toBe('t')
    expect(shown(await later.open(row.id, 'lease/lease_1/id'))).toBe('i')
    await expect(later.open(oldRow, 'a')).rejects.toMatchObject({ code: 'store.wrong-key' })
  })

  it('can be changed; the old one opens nothing then', async () => {
    const { sealer, folder, store } = await home()
    await sealer.rekey(passphrase)
    await sealer.rekey(new Secret('a second passphrase'))
    const later = await open(store, folder)
    await expect(later.unseal(passphrase)).rejects.toMatchObject({ code: 'store.wrong-key' })
    await later.unseal(new Secret('a second passphrase'))
    expect(later.state).toBe('open')
  })

  it('is one passphrase however its accents are encoded, and never a short one', async () => {
    const { sealer, folder, store } = await home()
    await expect(sealer.rekey(new Secret('short'))).rejects.toMatchObject({ code: 'usage' })
    expect(sealer.key).toBe('file')
    await sealer.rekey(new Secret('pass\u00e9-phrase'))
    const later = await open(store, folder)
    await later.unseal(new Secret('passe\u0301-phrase'))
    expect(later.state).toBe('open')
  })

  it('refuses parameters that would cost gigabytes', async () => {
    const { sealer, folder, store } = await home()
    await sealer.rekey(passphrase)
    const row: { wrapped: string } = JSON.parse(store.meta.get('sealing') ?? '{}')
    const [head = '', ...rest] = row.wrapped.split('.')
    const greedy = { ...JSON.parse(Buffer.from(head, 'base64url').toString()), N: 2 ** 30 }
    store.meta.set(
      'sealing',
      JSON.stringify({ ...row, wrapped: [Buffer.from(JSON.stringify(greedy)).toString('base64url'), ...rest].join('.') }),
    )
    await expect((await open(store, folder)).unseal(passphrase)).rejects.toMatchObject({ code: 'store.corrupt' })
  })

  it('change does not lose what others seal and write all the while', async () => {
    const { sealer, folder, store } = await home()
    const rekeying = { over: false }
    const writer = async (name: string): Promise<number> => {
      let count = 0
      for (; !rekeying.over; count++)
        store.secrets.set(`${name}/${count % 20}`, await sealer.seal(new Secret(`${name} ${count}`), `${name}/${count % 20}`))
      return count
    }
    const writers = ['a', 'b', 'c'].map(writer)
    await sealer.rekey(passphrase)
    rekeying.over = true
    for (const count of await Promise.all(writers)) expect(count).toBeGreaterThan(0)
    const later = await open(store, folder)
    await later.unseal(passphrase)
    for (const name of store.secrets.names()) expect(shown(await later.open(store.secrets.get(name) ?? '', name))).toMatch(/^[abc] \d+$/)
  })

  it('change does not bring back what was deleted while it ran', async () => {
    const { sealer, folder, store } = await home()
    for (const name of ['dead', 'alive']) store.secrets.set(name, await sealer.seal(new Secret(name), name))
    store.leases.insert(lease({ sealed: await sealer.seal(new Secret('token'), 'lease/lease_1') }))
    let read = 0
    const names = (): string[] => {
      read += 1
      if (read === 2) {
        queueMicrotask(() => {
          store.secrets.delete('dead')
          store.leases.update('lease_1', { sealed: '' })
        })
      }
      return store.secrets.names()
    }
    const other = await open({ ...store, secrets: { ...store.secrets, names } }, folder)
    read = 1
    await other.rekey(passphrase)
    expect(read).toBeGreaterThan(2)
    expect(store.secrets.names()).toEqual(['alive'])
    expect(store.leases.get('lease_1')?.sealed).toBe('')
  })

  it('change leaves rows that were read before it readable until the store is sealed', async () => {
    const { sealer } = await home()
    const old = await sealer.seal(new Secret(canary), 'a')
    await sealer.rekey(passphrase)
    expect(shown(await sealer.open(old, 'a'))).toBe(canary)
    sealer.close()
    await sealer.unseal(passphrase)
    await expect(sealer.open(old, 'a')).rejects.toMatchObject({ code: 'store.wrong-key' })
  })

  it('change that cannot be written leaves the old key in use', async () => {
    const { sealer, folder, store } = await home()
    store.secrets.set('a', await sealer.seal(new Secret(canary), 'a'))
    store.secrets.set('b', 'not.a.jwe')
    const failing: Store = {
      ...store,
      atomically: () => {
        throw new Error('disk full')
      },
    }
    const other = await open(failing, folder)
    await expect(other.rekey(passphrase)).rejects.toThrow('disk full')
    expect(other.key).toBe('file')
    const later = await open(store, folder)
    expect(shown(await later.open(store.secrets.get('a') ?? '', 'a'))).toBe(canary)
  })

  it('removes the old key file at the next start when a crash left it', async () => {
    const { sealer, folder, store } = await home()
    const old = readFileSync(join(folder, 'key'))
    await sealer.rekey(passphrase)
    writeFileSync(join(folder, 'key'), old, { mode: 0o600 })
    expect((await open(store, folder)).state).toBe('sealed')
    expect(existsSync(join(folder, 'key'))).toBe(false)
  })

  it('killed at any moment of its change leaves the old key usable or the new one', async () => {
    const outcomes = new Set<string>()
    const moments = [0, 250, 280, 310, 340, 380, 450, 'done'] as const
    for (let round = 0; round < moments.length; round++) {
      const folder = temporaryFolder()
      const store = openStore(join(folder, 'jit.db'))
      const sealer = await open(store, folder)
      for (let index = 0; index < 20; index++) store.secrets.set(`s${index}`, await sealer.seal(new Secret(canary), `s${index}`))
      store.close()
      const moment = moments[round] ?? 'done'
      await killDuringRekey(folder, moment)
      const after = openStore(join(folder, 'jit.db'))
      onTestFinished(() => after.close())
      const opened = await open(after, folder)
      outcomes.add(opened.key)
      if (opened.key === 'passphrase') await opened.unseal(passphrase)
      expect(opened.state).toBe('open')
      for (const name of after.secrets.names()) expect(shown(await opened.open(after.secrets.get(name) ?? '', name))).toBe(canary)
      expect(existsSync(join(folder, 'key'))).toBe(opened.key === 'file')
    }
    expect(outcomes).toEqual(new Set(['file', 'passphrase']))
  })
})

async function home(keychain?: Keychain): Promise<{ sealer: Sealer; folder: string; store: Store }> {
  const folder = temporaryFolder()
  const store = openTestStore(folder)
  return { folder, store, sealer: await open(store, folder, keychain) }
}

function open(store: Store, stateFolder: string, keychain?: Keychain): Promise<Sealer> {
  const quiet = (): void => undefined
  const log: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
  return openSealer({ store, stateFolder, keychain, log })
}

function shown(secret: Secret): string {
  return secret.seal((value) => value)
}

function decoded(sealed: string): string[] {
  return sealed.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'))
}

function link(file: string): void {
  writeFileSync(`${file}.real`, readFileSync(file), { mode: 0o600 })
  unlinkSync(file)
  symlinkSync(`${file}.real`, file)
}

function fakeKeychain(): Keychain & { entries: Map<string, Secret>; broken: boolean } {
  const entries = new Map<string, Secret>()
  const keychain = {
    entries,
    broken: false,
    get: async (account: string) => (check(), entries.get(account)),
    set: async (account: string, secret: Secret) => (check(), void entries.set(account, secret)),
    delete: async (account: string) => (check(), void entries.delete(account)),
  }
  const check = (): void => {
    if (keychain.broken) throw new Error('locked')
  }
  return keychain
}

/** Starts a change of the key in a process of its own and kills it so many milliseconds after it began, or once it is done. */
async function killDuringRekey(folder: string, moment: number | 'done'): Promise<void> {
  const source = (path: string): string => JSON.stringify(join(import.meta.dirname, '../../../src', path))
  const script = `
    const { openStore } = await import(${source('store/sqlite.ts')})
    const { openSealer } = await import(${source('store/sealer.ts')})
    const { Secret } = await import(${source('core/secret.ts')})
    const store = openStore(${JSON.stringify(join(folder, 'jit.db'))})
    const sealer = await openSealer({ store, stateFolder: ${JSON.stringify(folder)}, keychain: undefined, log: console })
    console.log('ready')
    await sealer.rekey(new Secret('correct horse battery'))
    console.log('done')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  if (moment === 'done') await once(child.stdout, 'data')
  // A real process's progress is all there is to wait for here: the moment of the kill is the input of this test.
  else await new Promise((settle) => setTimeout(settle, moment))
  child.kill('SIGKILL')
  await once(child, 'exit')
}
