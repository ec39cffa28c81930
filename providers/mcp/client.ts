import type { AuthorizationServerMetadata } from '@modelcontextprotocol/sdk/shared/auth.js'
import { JitError, type ProviderHost, Secret } from '../../src/provider/index.ts'
import { nameOf } from './address.ts'
import type { McpConfig } from './config.ts'
import type { Discovery } from './discovery.ts'
import { type Ask, guardedFetch } from './fetch.ts'
import { sdk } from './sdk.ts'

/** Who jit is at an authorization server. */
export interface Client {
  readonly id: string
  readonly secret: Secret | undefined
  /** As the server wants it, where it said so. */
  readonly authentication: string | undefined
  readonly registration: 'by hand' | 'by document' | 'dynamic'
}

/** RFC 7591 and 8252: a program on a person's machine. */
const aboutUs = {
  client_name: 'jit',
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
}

/**
 * In the order of the specification: what was registered by hand; a client metadata document; dynamic registration, which every
 * program can have in any name. `previous`: registered dynamically at this server for the same address of return.
 */
export async function chooseClient(
  config: McpConfig,
  ask: Ask,
  { issuer, metadata }: Discovery,
  redirectUri: string,
  scope: string | undefined,
  previous: Client | undefined,
): Promise<Client> {
  const { clientId, clientMetadataUrl } = config
  if (clientId !== undefined) return givenClient(clientId, ask.host)
  if (clientMetadataUrl !== undefined && metadata?.['client_id_metadata_document_supported'] === true)
    return { id: clientMetadataUrl, secret: undefined, authentication: 'none', registration: 'by document' }
  if (previous !== undefined) return previous
  if (metadata !== undefined && metadata.registration_endpoint === undefined)
    throw new JitError('provider.refused', `${nameOf(issuer)} lets no program register itself`, {
      hint: `Register a client there by hand (native or public, address of return ${redirectUri.replace(/:\d+\//, ':PORT/')}), then give its id: --client-id ID --redirect-port PORT.`,
    })
  const information = await sdk().registerClient(issuer, {
    ...(metadata === undefined ? {} : { metadata }),
    clientMetadata: { ...aboutUs, redirect_uris: [redirectUri], token_endpoint_auth_method: wantedMethod(metadata) },
    ...(scope === undefined ? {} : { scope }),
    fetchFn: guardedFetch(ask),
  })
  return {
    id: information.client_id,
    secret: information.client_secret === undefined ? undefined : new Secret(information.client_secret),
    authentication: information.token_endpoint_auth_method,
    registration: 'dynamic',
  }
}

function givenClient(id: string, host: ProviderHost): Client {
  // A file that holds a secret ends in a line break.
  const secret = host.hasSecret('clientSecret') ? new Secret(host.secret('clientSecret').reveal().trim()) : undefined
  return { id, secret, authentication: secret === undefined ? 'none' : undefined, registration: 'by hand' }
}

function wantedMethod(metadata: AuthorizationServerMetadata | undefined): string {
  const offered = metadata?.token_endpoint_auth_methods_supported ?? ['none']
  return ['none', 'client_secret_basic', 'client_secret_post'].find((method) => offered.includes(method)) ?? 'none'
}

/**
 * How the client proves itself: chosen as the SDK does, written as RFC 6749 §2.3.1 has it, where each part is form-encoded before
 * it is joined.
 */
export function proveClient(
  client: Client,
  metadata: AuthorizationServerMetadata | undefined,
  headers: Headers,
  form: URLSearchParams,
): void {
  const { id, authentication } = client
  const secret = client.secret?.reveal()
  const method = sdk().selectClientAuthMethod(
    {
      client_id: id,
      ...(secret === undefined ? {} : { client_secret: secret }),
      ...(authentication === undefined ? {} : { token_endpoint_auth_method: authentication }),
    },
    metadata?.token_endpoint_auth_methods_supported ?? [],
  )
  if (method === 'client_secret_basic' && secret !== undefined) {
    headers.set('authorization', `Basic ${Buffer.from(`${formEncoded(id)}:${formEncoded(secret)}`).toString('base64')}`)
    return
  }
  form.set('client_id', id)
  if (method === 'client_secret_post' && secret !== undefined) form.set('client_secret', secret)
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
