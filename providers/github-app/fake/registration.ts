import { generateKeyPairSync } from 'node:crypto'
import { type Clock, type Credential, type JsonObject, type Provider, type ProviderHost, Secret } from '../../../src/provider/index.ts'

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

/** The daemon's side of a registration of the App; `logged` takes what the provider logs. */
export function hostAt(clock: Clock, logged: string[] = []): ProviderHost {
  const log = (message: string, fields?: object): void => void logged.push(`${message} ${JSON.stringify(fields)}`)
  return {
    name: 'acme',
    clock,
    log: { debug: log, info: log, warn: log, error: log },
    fetch: (...args) => fetch(...args),
    secret: () => new Secret(pem),
  }
}

export function mint(provider: Provider, asked: JsonObject = scope): Promise<Credential> {
  return provider.mint({ ...request, scope: asked }, AbortSignal.timeout(5000))
}
