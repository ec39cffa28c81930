import type { OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import { JitError, redact, Secret, unfitToken } from '../../src/provider/index.ts'
import { nameOf } from './address.ts'
import { type Client, proveClient } from './client.ts'
import { type Discovery, readScopes } from './discovery.ts'
import { type Ask, guardedFetch } from './fetch.ts'
import { sdk } from './sdk.ts'

/** Tokens as they came. */
export interface Granted {
  readonly accessToken: Secret
  readonly refreshToken: Secret | undefined
  /** Milliseconds since 1970, and of life; undefined where the server does not say. */
  readonly expiresAt: number | undefined
  readonly life: number | undefined
  /** Undefined where the answer names none: then it is what was asked for (RFC 6749 §5.1). */
  readonly scopes: readonly string[] | undefined
}

interface Code {
  readonly code: string
  readonly verifier: string
  readonly redirectUri: string
}

/** The code of the browser for tokens. */
export function exchangeCode(ask: Ask, where: Discovery, client: Client, { code, verifier, redirectUri }: Code): Promise<Granted> {
  const carried = [new Secret(code), new Secret(verifier)]
  return request(ask, where, client, carried, (options) =>
    sdk().exchangeAuthorization(where.issuer, { ...options, authorizationCode: code, codeVerifier: verifier, redirectUri }),
  )
}

/** A refresh token for new tokens; with `scopes`, for an access token of these alone. */
export function refresh(
  ask: Ask,
  where: Discovery,
  client: Client,
  refreshToken: Secret,
  scopes: readonly string[] | undefined,
): Promise<Granted> {
  return request(ask, where, client, [refreshToken], (options) =>
    sdk().refreshAuthorization(where.issuer, {
      ...options,
      refreshToken: refreshToken.reveal(),
      addClientAuthentication(headers, form) {
        if (scopes !== undefined) form.set('scope', scopes.join(' '))
        proveClient(client, where.metadata, headers, form)
      },
    }),
  )
}

type Options = Pick<
  Parameters<ReturnType<typeof sdk>['refreshAuthorization']>[1],
  'metadata' | 'clientInformation' | 'resource' | 'fetchFn' | 'addClientAuthentication'
>

async function request(
  ask: Ask,
  where: Discovery,
  client: Client,
  carried: readonly Secret[],
  run: (options: Options) => Promise<OAuthTokens>,
): Promise<Granted> {
  const hidden = [...carried, ...(client.secret === undefined ? [] : [client.secret])]
  const endpoint = where.metadata?.token_endpoint ?? where.issuer
  // From when it was asked for: on the way a token gets older, not younger.
  const askedAt = ask.host.clock.now()
  let tokens: OAuthTokens
  try {
    tokens = await run({
      ...(where.metadata === undefined ? {} : { metadata: where.metadata }),
      clientInformation: { client_id: client.id },
      // As text: a URL would gain a slash that the server's own name for itself has not.
      resource: where.resource,
      fetchFn: guardedFetch({ ...ask, carried: hidden }),
      addClientAuthentication: (headers, form) => proveClient(client, where.metadata, headers, form),
    })
  } catch (error) {
    if (error instanceof JitError) throw error
    throw new JitError('provider.unavailable', `the answer of ${nameOf(endpoint)} has another form than documented`, {
      cause: redact(error instanceof Error ? error.name : String(error), hidden),
    })
  }
  if (tokens.token_type.toLowerCase() !== 'bearer')
    throw new JitError('provider.refused', `${nameOf(endpoint)} gives tokens that are bound to a key, which jit does not use`)
  const unfit = unfitToken(tokens.access_token) ?? (tokens.refresh_token === undefined ? undefined : unfitToken(tokens.refresh_token))
  if (unfit !== undefined) throw new JitError('provider.refused', `${nameOf(endpoint)} gave a token that ${unfit}`)
  const life = tokens.expires_in === undefined || !(tokens.expires_in > 0) ? undefined : tokens.expires_in * 1000
  return {
    accessToken: new Secret(tokens.access_token),
    refreshToken: tokens.refresh_token === undefined ? undefined : new Secret(tokens.refresh_token),
    expiresAt: life === undefined ? undefined : askedAt + life,
    life,
    scopes: readScopes(tokens.scope),
  }
}
