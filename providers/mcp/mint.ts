import {
  type Credential,
  JitError,
  type MintRequest,
  nothingMinted,
  type Provider,
  type ProviderHost,
  quote,
  type RevokeOutcome,
  type Secret,
} from '../../src/provider/index.ts'
import type { McpConfig } from './config.ts'
import { readScopes } from './discovery.ts'
import { probe, readChallenge } from './probe.ts'
import { type Ending, isDead, revokeToken } from './revoke.ts'
import { covers, describe, mcpScope } from './scope.ts'
import { logInAgain, readSession, type Session } from './session.ts'
import { type Access, Tokens } from './tokens.ts'

/** Milliseconds for taking back what cannot be used. */
const undoTimeout = 10_000
/** Scopes that a server may have asked for since the login; a server that always wants more gets no more of the person's attention. */
const mostWanted = 32

export function openMcp(config: McpConfig, host: ProviderHost): Provider {
  const tokens = new Tokens(config, host)
  /** Live leases by what identifies their token. */
  const holders = new Map<string, number>()

  const mint = async (request: MintRequest, signal: AbortSignal): Promise<Credential> => {
    const scope = mcpScope.safeParse(request.scope)
    if (!scope.success) throw new JitError('provider.scope', `not a scope of an MCP login: ${quote(request.scope)}`)
    const { session } = tokens
    const { resource, scopes } = scope.data
    if (resource !== session.resource && resource !== session.server)
      throw new JitError(
        'provider.scope',
        `the login of provider ${host.name} is for ${quote(session.resource)}, not for ${quote(resource)}`,
        {
          hint: `Write \`scope: { resource: "${session.resource}" }\`.`,
          details: { sent: false },
        },
      )
    const access = await accessFor(session, scopes, request.ttl, signal)
    const credential: Credential = {
      secrets: { token: access.token },
      expiresAt: access.expiresAt ?? host.clock.now() + request.ttl,
      granted: { resource, scopes: [...access.scopes] },
    }
    if (!covers(credential.granted, request.scope)) return refuse(credential, access, signal)
    count(access.token, 1)
    return credential
  }

  const accessFor = (session: Session, scopes: readonly string[] | undefined, ttl: number, signal: AbortSignal): Promise<Access> => {
    if (scopes === undefined) return tokens.own(ttl, signal)
    const { consented } = session
    const lacking = consented.length === 0 ? undefined : scopes.find((scope) => !consented.includes(scope))
    if (lacking !== undefined)
      throw new JitError('provider.refused', `the login of provider ${host.name} has not the scope ${quote(lacking)}`, {
        hint: `It has ${quote(consented.join(' '))}. To ask for more: \`jit login mcp ${config.url} ${host.name} --replace --scopes "…"\`.`,
        details: { sent: false },
      })
    const isAll = scopes.length === consented.length
    return isAll && session.refreshToken === undefined ? tokens.own(ttl, signal) : tokens.narrowed(scopes, signal)
  }

  /** The server does not narrow: nobody gets the token, and where that ends nothing else, it is ended. */
  const refuse = async (credential: Credential, access: Access, signal: AbortSignal): Promise<Credential> => {
    const { secrets, granted } = credential
    const ended =
      access.isShared || config.revoke === 'logout' || secrets['token'] === undefined
        ? undefined
        : await end(secrets['token'], signal).catch(() => undefined)
    throw new JitError('provider.scope', `provider ${host.name} was given a token with other scopes than asked for: ${quote(granted)}`, {
      hint: 'Its authorization server does not narrow a login. Leave `scopes` out of the scope, or log in for these scopes alone.',
      details: { sent: typeof ended !== 'object' || ended.outcome !== 'revoked' },
    })
  }

  const endingOf = async (session: Session, signal: AbortSignal): Promise<Ending> => ({
    host,
    server: config.url,
    signal,
    where: await tokens.discovery(session, signal),
    client: session.client,
  })

  const end = async (token: Secret, signal: AbortSignal): Promise<RevokeOutcome | 'unsupported'> => {
    const ending = await endingOf(tokens.session, signal)
    if ((await revokeToken(ending, token, 'access_token')) === 'unsupported') return 'unsupported'
    const dead = await isDead(ending, token)
    if (dead === false)
      return {
        outcome: 'accepted',
        detail: 'revoked; the MCP server takes it until it expires, since it does not ask whether a token is alive',
      }
    return { outcome: 'revoked', verified: dead === true }
  }

  const revoke = async (credential: Credential, signal: AbortSignal): Promise<RevokeOutcome> => {
    const { token } = credential.secrets
    if (token === undefined) throw new JitError('internal', 'a lease of an MCP login holds no token')
    const expires = (detail: string): RevokeOutcome => ({ outcome: 'expires', validUntil: credential.expiresAt, detail })
    if (config.revoke === 'logout') return (count(token, -1), expires('it ends by itself, or with the login: `jit logout`'))
    const { accessToken, refreshToken } = tokens.session
    const isOwn = accessToken !== undefined && isSame(accessToken, token)
    if (isOwn && refreshToken === undefined)
      return (count(token, -1), expires('it is the only token of this login, which `jit logout` ends'))
    const others = (holders.get(keyOf(token)) ?? 1) - 1
    if (isOwn && others > 0) {
      count(token, -1)
      return { outcome: 'accepted', detail: `${others} other live lease(s) have the same token; it is revoked with the last of them` }
    }
    const ended = await end(token, signal)
    count(token, -1)
    if (ended === 'unsupported') return expires('the authorization server revokes no access tokens')
    await tokens.change((session) =>
      session.accessToken !== undefined && isSame(session.accessToken, token) ? { ...session, accessToken: undefined } : undefined,
    )
    return ended
  }

  const count = (token: Secret, step: 1 | -1): void => {
    const key = keyOf(token)
    const left = (holders.get(key) ?? 0) + step
    if (left > 0) holders.set(key, left)
    else holders.delete(key)
  }

  return {
    origin: new URL(config.url).origin,
    wholeScope: { resource: config.url },
    get revocation() {
      return config.revoke === 'lease' && tokens.known?.revocation !== undefined ? 'immediate' : 'expiry'
    },
    mint,
    revoke,
    covers,
    partition: (scope) => (typeof scope['resource'] === 'string' ? scope['resource'] : ''),
    describe,
    async prove(signal) {
      const { session } = tokens
      const where = await tokens.discovery(session, signal)
      const access = await tokens.own(0, signal)
      const { status, scope } = await probe(host, config.url, access.token, signal)
      if (status === 401 || status === 403)
        throw new JitError('provider.refused', `${config.url} answered ${status} to the token that its own authorization server gave`, {
          hint: scope === undefined ? 'Is this account allowed there?' : `It wants ${quote(scope)}: give \`--scopes\`.`,
          details: { status, sent: false },
        })
      return {
        server: config.url,
        issuer: session.issuer,
        client: `${session.client.id} (registered ${session.client.registration === 'dynamic' ? 'by jit itself' : session.client.registration})`,
        scopes: session.consented.length === 0 ? 'not said' : session.consented.join(' '),
        renewed: session.refreshToken === undefined ? 'no: log in again when it is over' : 'by itself',
        revoked:
          where.revocation === undefined
            ? 'not offered: tokens live until they expire'
            : `with the ${config.revoke === 'lease' ? 'last lease' : 'login'}`,
      }
    },
    async challenged(status, challenge, { secrets: { token } }) {
      const { scope, error } = readChallenge(challenge)
      const asked = readScopes(scope) ?? []
      if (status === 401) {
        if (error !== 'invalid_token' || tokens.session.refreshToken === undefined)
          return logInAgain(host, config.url, 'has a token that the server does not take')
        // Another lease's 401 may have renewed it meanwhile.
        await tokens.change((session) =>
          token !== undefined && session.accessToken !== undefined && isSame(session.accessToken, token)
            ? { ...session, accessToken: undefined }
            : undefined,
        )
        return undefined
      }
      if (status !== 403 || error !== 'insufficient_scope' || asked.length === 0) return undefined
      // The login has all that: it is this lease that was given less.
      const { consented } = tokens.session
      if (consented.length > 0 && asked.every((scope) => consented.includes(scope))) return undefined
      await tokens.change((session) => ({ ...session, wanted: union(session.wanted, asked).slice(0, mostWanted) }))
      return new JitError('provider.refused', `it wants a login with more: ${quote(asked.join(' '))}`, {
        hint: `To ask a person for that: \`jit login mcp ${config.url} ${host.name} --replace\`.`,
        details: { sent: false, scopes: asked },
      })
    },
    async logOut(signal) {
      const session = readSession(host, config.url)
      const { accessToken, refreshToken } = session
      const ending = await endingOf(session, signal).catch((error: unknown) => {
        throw nothingMinted(error)
      })
      // The refresh token first: with it gone, nothing new comes of what is left.
      const ends = [
        ...(refreshToken === undefined ? [] : [await revokeToken(ending, refreshToken, 'refresh_token')]),
        ...(accessToken === undefined ? [] : [await revokeToken(ending, accessToken, 'access_token')]),
      ]
      const until = session.expiresAt ?? host.clock.now()
      if (ends.includes('unsupported'))
        return { outcome: 'expires', validUntil: until, detail: `${session.issuer} ends no logins: end it on its own page` }
      const dead =
        accessToken === undefined ? undefined : await isDead({ ...ending, signal: AbortSignal.timeout(undoTimeout) }, accessToken)
      return dead === false
        ? { outcome: 'accepted', detail: 'revoked; the MCP server takes the last access token until it expires' }
        : { outcome: 'revoked', verified: dead === true }
    },
    close: () => tokens.settled(),
  }
}

export function union(one: readonly string[], other: readonly string[]): string[] {
  return [...new Set([...one, ...other])]
}

function keyOf(token: Secret): string {
  return token.sha256Base64()
}

function isSame(one: Secret, other: Secret): boolean {
  return keyOf(one) === keyOf(other)
}
