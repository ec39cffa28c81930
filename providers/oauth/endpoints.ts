import { z } from 'zod'
import { JitError, type ProviderHost, quote } from '../../src/provider/index.ts'
import type { OauthConfig } from './config.ts'
import { isLoopback, isSafeEndpoint } from './endpoint.ts'
import { failureOf, send } from './http.ts'

export interface Endpoints {
  readonly token: string
  readonly revocation: string | undefined
  readonly introspection: string | undefined
  /** Ways of client authentication at the token endpoint; undefined when the server does not say. */
  readonly authentication: readonly string[] | undefined
}

const metadata = z.object({
  issuer: z.string(),
  token_endpoint: z.string(),
  revocation_endpoint: z.string().optional(),
  introspection_endpoint: z.string().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
})

/** Milliseconds. A server that moves an endpoint keeps the old one for longer. */
const metadataLife = 3_600_000

export interface EndpointSource {
  /** Throws JitErrors of the provider contract. */
  find(signal: AbortSignal): Promise<Endpoints>
  /** As last found; undefined before. */
  readonly known: Endpoints | undefined
}

/** Where the server is asked: as configured, or by the issuer's metadata (RFC 8414, and OpenID Connect Discovery where that is not). */
export function createEndpoints(config: OauthConfig, host: ProviderHost): EndpointSource {
  const { issuer, tokenEndpoint, revocationEndpoint, introspectionEndpoint } = config
  let found: Endpoints | undefined =
    tokenEndpoint === undefined
      ? undefined
      : { token: tokenEndpoint, revocation: revocationEndpoint, introspection: introspectionEndpoint, authentication: undefined }
  let until = tokenEndpoint === undefined ? 0 : Number.POSITIVE_INFINITY
  return {
    get known() {
      return found
    },
    async find(signal) {
      if (found !== undefined && host.clock.now() < until) return found
      found = await discover(issuer ?? '', host, signal)
      until = host.clock.now() + metadataLife
      return found
    },
  }
}

async function discover(issuer: string, host: ProviderHost, signal: AbortSignal): Promise<Endpoints> {
  const [first, second] = metadataAddresses(issuer)
  let endpoint = first
  let answer = await send(host, endpoint, undefined, signal)
  if (answer.status === 404) {
    endpoint = second
    answer = await send(host, endpoint, undefined, signal)
  }
  if (answer.status !== 200) throw failureOf(answer, endpoint, host, [])
  const parsed = metadata.safeParse(answer.body)
  if (!parsed.success) throw new JitError('provider.unavailable', `${endpoint} answers no metadata of an authorization server`)
  const { data } = parsed
  // Compared as they stand (RFC 8414 §3.3): metadata of another issuer would send the secrets to its endpoints.
  if (data.issuer !== issuer) {
    throw new JitError('provider.refused', `${endpoint} answers metadata of ${quote(data.issuer)}, not of ${quote(issuer)}`, {
      hint: `Set \`issuer\` of provider ${host.name} to exactly what the server calls itself, if that is the one you mean.`,
    })
  }
  return {
    token: checked(data.token_endpoint, 'token_endpoint', issuer),
    revocation: data.revocation_endpoint === undefined ? undefined : checked(data.revocation_endpoint, 'revocation_endpoint', issuer),
    introspection:
      data.introspection_endpoint === undefined ? undefined : checked(data.introspection_endpoint, 'introspection_endpoint', issuer),
    authentication: data.token_endpoint_auth_methods_supported,
  }
}

/** RFC 8414 puts the well-known part before the issuer's path, OpenID Connect after it. */
function metadataAddresses(issuer: string): [string, string] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [`${origin}/.well-known/oauth-authorization-server${path}`, `${origin}${path}/.well-known/openid-configuration`]
}

/** A server elsewhere does not get to name addresses on this machine. */
function checked(endpoint: string, name: string, issuer: string): string {
  if (isSafeEndpoint(endpoint) && (!isLoopback(new URL(endpoint)) || isLoopback(new URL(issuer)))) return endpoint
  throw new JitError('provider.refused', `the metadata of ${quote(issuer)} name a ${name} that secrets are not sent to: ${quote(endpoint)}`)
}
