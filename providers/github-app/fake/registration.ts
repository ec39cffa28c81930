import { generateKeyPairSync } from 'node:crypto'
import type { Clock, Credential, JsonObject, Provider } from '../../../src/provider/index.ts'
import { type TestHost, testHost } from '../../../test/support/provider-host.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const { privateKey } = pair
/** What the person who registers the App holds. */
export const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
/** What GitHub holds. */
export const publicKeyPem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()

export const scope = { repositories: ['acme/web'], permissions: { issues: 'read' } }

export const request = {
  lease: 'lease_test',
  scope,
  ttl: 300_000,
  principal: { human: 'ada', agent: 'test', session: 's', server: 's', tool: 't' },
}

/** The daemon's side of a registration of the App. */
export function hostAt(clock: Clock): TestHost {
  return testHost({ privateKey: pem }, { clock })
}

export function mint(provider: Provider, asked: JsonObject = scope): Promise<Credential> {
  return provider.mint({ ...request, scope: asked }, AbortSignal.timeout(5000))
}
