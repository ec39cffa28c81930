import { createServer } from 'node:http'
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWK, jwtVerify } from 'jose'
import { errors, type GrantContext, Provider } from 'oidc-provider'
import { listen } from './listen.ts'
import { TokenStore } from './token-store.ts'

export interface ServerOptions {
  /** Public keys of the clients that sign (private_key_jwt), by client id. */
  readonly keys?: Readonly<Record<string, JWK>>
  /** Public keys that actor tokens are signed with. */
  readonly actors?: readonly JWK[]
  /** What an exchange may start from. */
  readonly subjectToken?: string
  /** Endpoints that the server has not. */
  readonly without?: readonly ('revocation' | 'introspection' | 'richAuthorizationRequests')[]
}

export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const clientSecret = 'a+secret of the client%0123456789abcdef'
/** Seconds. */
const tokenLife = 120

const apis: Readonly<Record<string, { format: 'opaque' | 'jwt' }>> = {
  'https://api.example.com': { format: 'opaque' },
  'https://jwt.example.com': { format: 'jwt' },
}

export interface AuthorizationServer {
  readonly port: number
  readonly tokens: TokenStore
  /** Payloads of the actor tokens that exchanges brought, verified. */
  readonly actors: Record<string, unknown>[]
  close(): Promise<void>
}

/** The real oidc-provider: client credentials, resource indicators, rich authorization requests, revocation, introspection, token exchange. */
export async function startAuthorizationServer(issuer: string, options: ServerOptions): Promise<AuthorizationServer> {
  const tokens = new TokenStore()
  const actors: Record<string, unknown>[] = []
  const off = new Set<string>(options.without ?? [])
  const shared = {
    grant_types: ['client_credentials', tokenExchange],
    redirect_uris: [],
    response_types: [],
    scope: 'issues:read issues:write',
    ...(off.has('richAuthorizationRequests') ? {} : { authorization_details_types: ['repository'] }),
  }
  const signing = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['cookies are not used'] },
    adapter: tokens.adapter,
    clients: [
      { ...shared, client_id: 'jit', client_secret: clientSecret, token_endpoint_auth_method: 'client_secret_basic' },
      { ...shared, client_id: 'jit-post', client_secret: clientSecret, token_endpoint_auth_method: 'client_secret_post' },
      ...Object.entries(options.keys ?? {}).map(([id, key]) => ({
        ...shared,
        client_id: id,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [key] },
      })),
    ],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    scopes: ['issues:read', 'issues:write', 'admin'],
    ttl: { ClientCredentials: tokenLife },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: !off.has('introspection'), allowedPolicy: () => true },
      revocation: { enabled: !off.has('revocation'), allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://api.example.com',
        getResourceServerInfo: (_: unknown, resource: string) => resourceInfo(resource),
      },
      richAuthorizationRequests: off.has('richAuthorizationRequests')
        ? { enabled: false }
        : {
            enabled: true,
            types: { repository: { validate: (_: unknown, detail: object) => checkRepository(detail) } },
            authorizationDetailsForAccessToken: (context: GrantContext) =>
              JSON.parse(context.oidc.params['authorization_details'] ?? 'null'),
            authorizationDetailsForIntrospection: (_: unknown, token: { rar: unknown }) => token.rar,
          },
    },
  })

  const exchange = async (context: GrantContext): Promise<void> => {
    const { client, params } = context.oidc
    if (params['subject_token'] !== options.subjectToken || params['subject_token_type'] === undefined)
      throw new errors.InvalidRequest('the subject token is not accepted')
    if (params['actor_token'] !== undefined) {
      const { payload } = await jwtVerify(params['actor_token'], createLocalJWKSet({ keys: [...(options.actors ?? [])] }), {
        audience: issuer,
        algorithms: ['EdDSA'],
      }).catch(() => {
        throw new errors.InvalidRequest('the actor token is not accepted')
      })
      actors.push(payload)
    }
    const scope = params['scope'] ?? ''
    if (scope.split(' ').some((token) => token !== '' && !(client.scope ?? '').split(' ').includes(token))) throw new errors.InvalidScope()
    const resource = params['resource'] ?? 'https://api.example.com'
    const token = new provider.ClientCredentials({ client, scope: scope === '' ? undefined : scope })
    token.resourceServer = new provider.ResourceServer(resource, resourceInfo(resource))
    if (params['authorization_details'] !== undefined) {
      const details: { type: string }[] = JSON.parse(params['authorization_details'])
      for (const detail of details) checkRepository(detail)
      token.rar = details
    }
    context.body = {
      access_token: await token.save(),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: token.tokenType,
      expires_in: token.expiration,
      ...(token.scope === undefined ? {} : { scope: token.scope }),
      ...(token.rar === undefined ? {} : { authorization_details: token.rar }),
    }
  }
  const parameters = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type']
  provider.registerGrantType(
    tokenExchange,
    exchange,
    [...parameters, 'scope', 'resource', 'audience', 'authorization_details'],
    ['audience'],
  )

  provider.proxy = true
  const answer = provider.callback()
  const { port, close } = await listen(createServer((request, response) => void answer(request, response)))
  return { port, tokens, actors, close }
}

function resourceInfo(resource: string): object {
  const api = apis[resource]
  if (api === undefined) throw new errors.InvalidTarget('unknown resource')
  return { scope: 'issues:read issues:write', accessTokenFormat: api.format, accessTokenTTL: tokenLife }
}

function checkRepository(detail: object): void {
  const known = 'identifier' in detail && typeof detail.identifier === 'string' && detail.identifier.startsWith('facebook/')
  if (!('type' in detail) || detail.type !== 'repository' || !known) throw new errors.InvalidAuthorizationDetails('not for this client')
}
