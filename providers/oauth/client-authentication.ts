import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { JitError, type ProviderHost, Secret } from '../../src/provider/index.ts'
import type { OauthConfig } from './config.ts'
import type { Form } from './http.ts'

/** Seconds that an assertion is good for, and that the server's clock may be behind. */
const assertionLife = 60
const clockSkew = 10

/** How the client proves itself in one request. Throws `provider.login` or `store.sealed`. */
export async function proveClient(config: OauthConfig, host: ProviderHost, audience: string): Promise<Form> {
  const { authentication, clientId } = config
  if (authentication === 'private_key_jwt') {
    const assertion = await signAssertion(config, host, audience)
    return {
      headers: {},
      parameters: [
        ['client_id', clientId],
        ['client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
        ['client_assertion', assertion],
      ],
      secrets: [new Secret(assertion)],
    }
  }
  // A file that holds a secret ends in a line break.
  const secret = host.secret('clientSecret').reveal().trim()
  if (authentication === 'client_secret_post') {
    return {
      headers: {},
      parameters: [
        ['client_id', clientId],
        ['client_secret', secret],
      ],
      secrets: [new Secret(secret)],
    }
  }
  // RFC 6749 §2.3.1: each part is form-encoded before it is joined.
  const basic = Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64')
  return { headers: { authorization: `Basic ${basic}` }, parameters: [], secrets: [new Secret(secret), new Secret(basic)] }
}

async function signAssertion(config: OauthConfig, host: ProviderHost, audience: string): Promise<string> {
  const key = readKey(host)
  const now = Math.floor(host.clock.now() / 1000)
  return new SignJWT()
    .setProtectedHeader({ alg: algorithmOf(key, host), ...(config.keyId === undefined ? {} : { kid: config.keyId }) })
    .setIssuer(config.clientId)
    .setSubject(config.clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(now - clockSkew)
    .setExpirationTime(now + assertionLife)
    .sign(key)
}

function readKey(host: ProviderHost): KeyObject {
  const pem = host.secret('privateKey')
  try {
    return createPrivateKey(pem.reveal())
  } catch {
    // Not as a cause: what could not be parsed as a key may be shown in it.
    throw new JitError('provider.login', `the private key of provider ${host.name} is not a PEM key`)
  }
}

const curves: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }

function algorithmOf(key: KeyObject, host: ProviderHost): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const found = type === 'rsa' ? 'RS256' : type === 'ed25519' ? 'EdDSA' : type === 'ec' ? curves[details?.namedCurve ?? ''] : undefined
  if (found === undefined)
    throw new JitError('provider.login', `the private key of provider ${host.name} is no RSA, EC (P-256, P-384, P-521) or Ed25519 key`)
  return found
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
