import type { AuthorizationServerMetadata, OAuthProtectedResourceMetadata } from '@modelcontextprotocol/sdk/shared/auth.js'
import { checkResourceAllowed } from '@modelcontextprotocol/sdk/shared/auth-utils.js'
import { z } from 'zod'
import { JitError, type ProviderHost, quote } from '../../src/provider/index.ts'
import { checkAddress, checkPage, nameOf } from './address.ts'
import type { McpConfig } from './config.ts'
import { type Ask, guardedFetch } from './fetch.ts'
import { type Probe, probe } from './probe.ts'
import { sdk } from './sdk.ts'

/** Where and how one logs in for an MCP server. */
export interface Discovery {
  /** What tokens are for (RFC 8707), exactly as the server calls itself. */
  readonly resource: string
  /** As the MCP server names it; credentials are bound to it. */
  readonly issuer: string
  /** Undefined for a server without, where the config says to go on. */
  readonly metadata: AuthorizationServerMetadata | undefined
  /** Whether every answer of the browser names its issuer (RFC 9207). */
  readonly saysIssuer: boolean
  readonly revocation: string | undefined
  /** What the server's challenge asked for, else what its metadata list. */
  readonly scopes: readonly string[]
  readonly offersOfflineAccess: boolean
}

/** What the SDK's schema of OpenID Connect metadata drops, or knows as something looser. */
const more = z.object({
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  revocation_endpoint: z.string().optional(),
  scopes_supported: z.array(z.string()).optional(),
})

/** Asks the server who lets people in, and that one how. Throws `provider.refused` for whatever a login should not rely on. */
export async function discover(config: McpConfig, host: ProviderHost, signal: AbortSignal): Promise<Discovery> {
  const ask: Ask = { host, server: config.url, signal }
  const challenge = await probe(host, config.url, undefined, signal)
  const protectedResource = await findResource(config, ask, challenge)
  const issuer = chooseIssuer(config, protectedResource)
  const { metadata, extra } = await findMetadata(config, ask, issuer)
  if (metadata === undefined && challenge.status !== 401 && protectedResource === undefined)
    throw refusal(`${nameOf(config.url)} asks for no login: it answered ${challenge.status} to a request without a token`, {
      hint: 'Add it without a provider, or check its address.',
    })
  if (metadata !== undefined) checkMetadata(metadata, extra, issuer, config)
  return {
    resource: protectedResource?.resource ?? withoutHash(config.url),
    issuer,
    metadata,
    saysIssuer: extra.authorization_response_iss_parameter_supported ?? false,
    revocation: extra.revocation_endpoint,
    scopes: readScopes(challenge.scope) ?? protectedResource?.scopes_supported ?? [],
    offersOfflineAccess: (extra.scopes_supported ?? []).includes('offline_access'),
  }
}

/** `scope` of a challenge; undefined where it names none. */
export function readScopes(text: string | undefined): string[] | undefined {
  const scopes = (text ?? '').split(' ').filter((scope) => scope !== '')
  return scopes.length === 0 ? undefined : scopes
}

/** RFC 9728: where the challenge says, else at the well-known places, with the server's path and without. */
async function findResource(config: McpConfig, ask: Ask, challenge: Probe): Promise<OAuthProtectedResourceMetadata | undefined> {
  const { resourceMetadata } = challenge
  if (resourceMetadata !== undefined) checkAddress(resourceMetadata, 'resource_metadata', config.url)
  let found: OAuthProtectedResourceMetadata
  try {
    found = await sdk().discoverOAuthProtectedResourceMetadata(
      config.url,
      resourceMetadata === undefined ? {} : { resourceMetadataUrl: resourceMetadata },
      guardedFetch(ask),
    )
  } catch (error) {
    if (error instanceof JitError) throw error
    if (error instanceof z.core.$ZodError || error instanceof SyntaxError)
      throw refusal(`the resource metadata of ${nameOf(config.url)} have another form than documented`, { cause: error })
    // A server of revision 2025-03-26 has none, and is its own authorization server.
    if (resourceMetadata === undefined) return undefined
    throw refusal(`${nameOf(config.url)} names resource metadata that are not there: ${nameOf(resourceMetadata)}`, {})
  }
  if (!checkResourceAllowed({ requestedResource: config.url, configuredResource: found.resource }))
    throw refusal(`the resource metadata of ${nameOf(config.url)} are those of ${quote(found.resource)}`, {
      hint: 'Its tokens would be for that one. If it is what you mean, log in with that address.',
    })
  return found
}

function chooseIssuer(config: McpConfig, found: OAuthProtectedResourceMetadata | undefined): string {
  const named = found?.authorization_servers ?? []
  const { issuer = named[0] } = config
  if (issuer === undefined) return new URL('/', config.url).href
  if (found !== undefined && !named.includes(issuer))
    throw refusal(`${nameOf(config.url)} does not name ${quote(issuer)} as its authorization server, but ${quote(named.join(', '))}`, {
      hint: 'Correct `issuer`, or leave it out.',
    })
  checkAddress(issuer, 'authorization_servers', config.url)
  return issuer
}

async function findMetadata(
  config: McpConfig,
  ask: Ask,
  issuer: string,
): Promise<{ metadata: AuthorizationServerMetadata | undefined; extra: z.output<typeof more> }> {
  let raw: unknown
  const fetch = guardedFetch(ask)
  try {
    const metadata = await sdk().discoverAuthorizationServerMetadata(issuer, {
      fetchFn: async (url, init) => {
        const response = await fetch(url, init)
        if (response.ok) raw = await response.clone().json()
        return response
      },
    })
    if (metadata === undefined && !config.legacyEndpoints)
      throw refusal(`${nameOf(issuer)} has no metadata of an authorization server: how it protects a login cannot be known`, {
        hint: `A server of revision 2025-03-26 may have none: \`--legacy-endpoints true\` then takes /authorize, /token and /register there.`,
      })
    return { metadata, extra: more.catch({}).parse(raw) }
  } catch (error) {
    if (error instanceof JitError) throw error
    throw refusal(`the metadata of ${nameOf(issuer)} have another form than documented`, { cause: error })
  }
}

function checkMetadata(metadata: AuthorizationServerMetadata, extra: z.output<typeof more>, issuer: string, config: McpConfig): void {
  const server = config.url
  // RFC 8414 §3.3. Metadata of another issuer would send the person, and then the code, to its endpoints.
  // A server of 2025-03-26 is asked at its own origin, whatever path its issuer has there.
  const isItself =
    config.legacyEndpoints &&
    URL.parse(metadata.issuer)?.origin === new URL(server).origin &&
    new URL(issuer).origin === new URL(server).origin
  if (!isSameIssuer(metadata.issuer, issuer) && !isItself)
    throw refusal(`the metadata of ${quote(issuer)} are those of ${quote(metadata.issuer)}`, {
      hint: 'The MCP server names its authorization server wrongly, or somebody mixes two of them up. Tell whoever runs it.',
    })
  if (metadata.code_challenge_methods_supported?.includes('S256') !== true)
    throw refusal(`${nameOf(issuer)} does not say that it protects logins by PKCE with S256, without which a code can be stolen`, {
      hint: 'Whoever runs it must offer `code_challenge_methods_supported: ["S256"]`.',
    })
  checkPage(metadata.authorization_endpoint, issuer, server)
  checkAddress(metadata.token_endpoint, 'token_endpoint', server)
  if (metadata.registration_endpoint !== undefined) checkAddress(metadata.registration_endpoint, 'registration_endpoint', server)
  if (extra.revocation_endpoint !== undefined) checkAddress(extra.revocation_endpoint, 'revocation_endpoint', server)
}

/** Equal as they stand, but for the slash of an empty path, which many write and many leave out. */
function isSameIssuer(one: string, other: string): boolean {
  if (one === other) return true
  const [first, second] = [URL.parse(one), URL.parse(other)]
  return first?.pathname === '/' && first.search === '' && first.href === second?.href && first.hash === ''
}

function withoutHash(address: string): string {
  const url = new URL(address)
  url.hash = ''
  return url.href
}

function refusal(message: string, options: { hint?: string; cause?: unknown }): JitError {
  return new JitError('provider.refused', message, { ...options, details: { sent: false } })
}
