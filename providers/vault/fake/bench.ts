import { afterEach, beforeEach } from 'vitest'
import {
  type Credential,
  JitError,
  type JsonObject,
  type MintRequest,
  type Provider,
  type ProviderHost,
} from '../../../src/provider/index.ts'
import { testHost, type TestHost } from '../../../test/support/provider-host.ts'
import { acmeVault, ownToken, roleId, secretId } from './fixture.ts'
import type { VaultSetup } from './state.ts'
import { startVault, type VaultStandIn } from './vault.ts'
import { vault } from '../index.ts'

const principal = { human: 'ada', agent: 'test\u001b', session: 's', server: 'secrets', tool: 'read_secret' }

export const webRead = { policies: ['mcp-read-web'] }
export const webPath = { paths: [{ path: 'web/data/app/db', capabilities: ['read'] }] }

export const patience = (): AbortSignal => AbortSignal.timeout(5000)

export function ask(scope: JsonObject, more: Partial<MintRequest> = {}): MintRequest {
  return { lease: 'lease_test', scope, ttl: 300_000, principal, ...more }
}

/** A Vault and a host, anew for each test. */
export class Bench {
  host: TestHost = testHost({})
  readonly #running: VaultStandIn[] = []

  /** The one that was started last. */
  get standIn(): VaultStandIn {
    const last = this.#running.at(-1)
    if (last === undefined) throw new Error('a Vault runs only within a test')
    return last
  }

  /** The one that each test begins with. */
  get first(): VaultStandIn {
    return this.#running[0] ?? this.standIn
  }

  async start(more: Partial<VaultSetup> = {}): Promise<void> {
    this.#running.push(await startVault(acmeVault(more)))
  }

  async close(): Promise<void> {
    for (const one of this.#running.splice(0)) await one.close()
  }

  open(config: object = {}, more: Partial<ProviderHost> = {}): Provider {
    const parsed = vault.config.parse({ address: this.standIn.url, method: 'approle', role: roleId, tokenRole: 'jit', ...config })
    return vault.open(parsed, { ...this.host, ...more })
  }

  /** Status of one request to the stand-in with a minted token. */
  async get(credential: Credential, path: string, method = 'GET'): Promise<number> {
    const token = credential.secrets['token']?.reveal() ?? ''
    const { status } = await fetch(`${this.standIn.url}/v1/${path}`, { method, headers: { 'x-vault-token': token } })
    return status
  }

  /** Body of the last request to this path. */
  asked(path: string): unknown {
    return this.standIn.journal.findLast((entry) => entry.path === path)?.body
  }
}

/** One for all tests of a file; what a test started is gone before the next. */
export function shareBench(): Bench {
  const bench = new Bench()
  beforeEach(async () => {
    bench.host = testHost({ token: ownToken, secretId })
    await bench.start()
  })
  afterEach(() => bench.close())
  return bench
}

export function failureOf(work: Promise<unknown>): Promise<JitError> {
  return work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => {
      if (error instanceof JitError) return error
      throw error
    },
  )
}
