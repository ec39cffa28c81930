import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { signPrincipal } from '../../../src/identity/principal-token.ts'
import type { Credential, JsonObject, Provider, ProviderHost } from '../../../src/provider/index.ts'
import { testHost } from '../../../test/support/provider-host.ts'
import { oauthConfig } from '../config.ts'
import { type Front, startFront } from './front.ts'
import { clientSecret } from './server.ts'
import { oauth } from '../index.ts'

export const subjectToken = 'subject-token-of-the-broker-0123456789'
export const keys = {
  'jit-ec': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'jit-rsa': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'jit-ed': generateKeyPairSync('ed25519'),
} as const
export const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
export const ecPem = pem(keys['jit-ec'].privateKey)

export const signer = { key: await generateKeyPair('EdDSA', { extractable: true }), kid: 'kid-of-this-jit' }
const principalToken: ProviderHost['principalToken'] = (principal, audience) =>
  signPrincipal({ key: signer.key.privateKey, kid: signer.kid }, principal, audience, Date.now())

export const readIssues = { scopes: ['issues:read'], resource: ['https://api.example.com'] }
export const oneIssue = {
  authorization_details: [
    { type: 'repository', identifier: 'facebook/react', actions: ['read'], issue: 42, locations: ['https://api.example.com'] },
  ],
}
const principal = { human: 'ada(1000)', agent: 'claude', session: 'ses_1', server: 'tracker', tool: 'get_issue' }
export const host = testHost({ clientSecret: `${clientSecret}\n`, subjectToken, privateKey: ecPem }, { principalToken })

export async function start(more: Parameters<typeof startFront>[0] = {}): Promise<Front> {
  const jwks = Object.fromEntries(
    await Promise.all(Object.entries(keys).map(async ([id, { publicKey }]) => [id, await exportJWK(publicKey)] as const)),
  )
  const actor = { ...(await exportJWK(signer.key.publicKey)), kid: signer.kid, alg: 'EdDSA' }
  return startFront({ keys: jwks, actors: [actor], subjectToken, ...more })
}

export function open(config: JsonObject, using: ProviderHost = host): Provider {
  return oauth.open(oauthConfig.parse({ clientId: 'jit', origin: 'https://api.example.com', proof: 'issues:read', ...config }), using)
}

export const exchange = { clientId: 'jit-ec', authentication: 'private_key_jwt', grant: 'token-exchange', actor: true }

export function mint(provider: Provider, scope: JsonObject): Promise<Credential> {
  return provider.mint({ lease: 'lease_test', scope, ttl: 300_000, principal }, AbortSignal.timeout(5000))
}

export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

export const tokenOf = (credential: Credential): string => credential.secrets['token']?.seal((value) => value) ?? ''

/** An authorization server for all tests of a file; what it was told to say ends with the test that told it. */
export class Bench {
  readonly ends: (() => void)[] = []
  #front: Front | undefined

  get front(): Front {
    if (this.#front === undefined) throw new Error('it runs only within a test')
    return this.#front
  }

  async open(): Promise<void> {
    this.#front = await start()
  }

  /** The token endpoint answers what this makes of its answer. */
  lie(answer: (body: Record<string, unknown>) => unknown): void {
    this.ends.push(this.front.twist({ path: '/token', answer }))
  }

  fresh(config: JsonObject = {}, using?: ProviderHost): Provider {
    return open({ issuer: this.front.issuer, ...config }, using)
  }

  /** Of the last token request. */
  parameters(): URLSearchParams {
    return new URLSearchParams(this.front.journal.findLast(({ path }) => path === '/token')?.body)
  }
}

export function shareBench(): Bench {
  const bench = new Bench()
  beforeAll(() => bench.open())
  afterEach(() => {
    for (const end of bench.ends.splice(0)) end()
  })
  afterAll(() => bench.front.close())
  return bench
}
