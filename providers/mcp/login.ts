import { randomBytes } from 'node:crypto'
import { type BrowserLogin, JitError, type LoginCallback, type LoginHost, quote, type Secret } from '../../src/provider/index.ts'
import { nameOf } from './address.ts'
import { chooseClient, type Client } from './client.ts'
import type { McpConfig } from './config.ts'
import { type Discovery, discover, readScopes } from './discovery.ts'
import type { Ask } from './fetch.ts'
import { exchangeCode, type Granted } from './grant.ts'
import { union } from './mint.ts'
import { probe } from './probe.ts'
import { revokeToken } from './revoke.ts'
import { openSession, sealSession, type Session, sessionSecret } from './session.ts'
import { sdk } from './sdk.ts'

/** How often one login may send a person back for more. */
const mostRounds = 3
/** Milliseconds for each question to the servers, and for taking back what cannot be used. */
const stepTimeout = 30_000
const undoTimeout = 10_000

export const mcpLogin: BrowserLogin<McpConfig> = {
  applies: () => true,
  async logIn(config, host, signal) {
    const where = await discover(config, host, AbortSignal.any([signal, AbortSignal.timeout(stepTimeout)]))
    const callback = await host.listen({ path: '/callback', ...(config.redirectPort === undefined ? {} : { port: config.redirectPort }) })
    try {
      return { [sessionSecret]: await logIn({ config, host, where, callback, signal }) }
    } finally {
      callback.close()
    }
  },
}

interface Login {
  readonly config: McpConfig
  readonly host: LoginHost
  readonly where: Discovery
  readonly callback: LoginCallback
  readonly signal: AbortSignal
}

async function logIn(login: Login): Promise<Secret> {
  const { config, where, callback } = login
  const before = previousAt(login)
  let scopes = union(config.scopes ?? where.scopes, [...(before?.consented ?? []), ...(before?.wanted ?? [])])
  const known = sameClient(before, callback)
  for (let round = 1; ; round += 1) {
    // One that was registered for fewer scopes than are asked for now would be refused them.
    const previous = round === 1 && scopes.every((scope) => before?.consented.includes(scope)) ? known : undefined
    const client = await chooseClient(config, askOf(login), where, callback.redirectUri, scopeText(scopes, where), previous)
    const granted = await authorize(login, client, scopes, round)
    const more = await checkTokens(login, granted, scopes, round).catch(async (error: unknown) => {
      await undo(login, client, granted)
      throw error
    })
    if (more === undefined) return sealed(login, client, granted, scopes)
    await undo(login, client, granted)
    scopes = union(scopes, more)
  }
}

/** One way through the browser. */
async function authorize(login: Login, client: Client, scopes: readonly string[], round: number): Promise<Granted> {
  const { host, where, callback, signal } = login
  const state = randomBytes(32).toString('base64url')
  const scope = scopeText(scopes, where)
  const { authorizationUrl, codeVerifier } = await sdk().startAuthorization(where.issuer, {
    ...(where.metadata === undefined ? {} : { metadata: where.metadata }),
    clientInformation: { client_id: client.id },
    redirectUrl: callback.redirectUri,
    state,
    resource: where.resource,
    ...(scope === undefined ? {} : { scope }),
  })
  host.show(authorizationUrl.href, notesOf(login, client, scopes, round))
  const answer = await callback.wait(state, signal)
  const code = readAnswer(answer, where, host.name)
  return exchangeCode(askOf(login), where, client, { code, verifier: codeVerifier, redirectUri: callback.redirectUri })
}

/** RFC 9207 first: of another server's answer nothing is believed, not even why it says no. */
function readAnswer(answer: URLSearchParams, { issuer, metadata, saysIssuer }: Discovery, name: string): string {
  const expected = metadata?.issuer ?? issuer
  const [iss, ...more] = answer.getAll('iss')
  // Compared as it stands (RFC 9207 §2.4), and also where the metadata promise none.
  if (more.length > 0 || (iss === undefined ? saysIssuer : iss !== expected))
    throw new JitError(
      'provider.refused',
      `the browser came back from ${quote(iss ?? 'nobody in particular')}, and not from ${quote(expected)}`,
      {
        hint: 'Nothing was sent anywhere. Somebody may have mixed two logins up: close the other pages, and try again.',
      },
    )
  const [error] = answer.getAll('error')
  if (error !== undefined)
    throw new JitError(
      'provider.refused',
      `${nameOf(expected)} refused the login: ${quote(`${error} ${answer.get('error_description') ?? ''}`.trim())}`,
      {
        hint: error === 'access_denied' ? 'Somebody said no on its page.' : `Nothing was registered for provider ${name}.`,
      },
    )
  const [code, ...codes] = answer.getAll('code')
  if (code === undefined || code === '' || codes.length > 0)
    throw new JitError('provider.refused', `the browser came back from ${nameOf(expected)} without a code`)
  return code
}

/** What the MCP server itself makes of the token: scopes that it wants on top, or undefined when it takes it. */
async function checkTokens(
  login: Login,
  granted: Granted,
  scopes: readonly string[],
  round: number,
): Promise<readonly string[] | undefined> {
  const { config, host } = login
  const { status, error, scope } = await probe(host, config.url, granted.accessToken, askOf(login).signal)
  if (status !== 401 && status !== 403) return undefined
  const wanted = error === 'insufficient_scope' ? (readScopes(scope) ?? []) : []
  if (round < mostRounds && wanted.some((one) => !scopes.includes(one))) return wanted
  throw new JitError('provider.refused', `${config.url} answered ${status} to the token that its own authorization server gave`, {
    hint:
      wanted.length === 0
        ? 'Is this account allowed there?'
        : `It wants ${quote(wanted.join(' '))}, and has them or will not say when it has enough.`,
    details: { status },
  })
}

function sealed({ config, where, callback }: Login, client: Client, granted: Granted, scopes: readonly string[]): Secret {
  const { accessToken, expiresAt, life, refreshToken } = granted
  return sealSession({
    id: randomBytes(12).toString('base64url'),
    server: config.url,
    resource: where.resource,
    issuer: where.issuer,
    redirectUri: callback.redirectUri,
    client,
    consented: granted.scopes ?? scopes,
    wanted: [],
    accessToken,
    expiresAt,
    life,
    refreshToken,
  })
}

/** Tokens that nobody will hold. That this failed is no reason to hide why. */
async function undo({ config, host, where }: Login, client: Client, { refreshToken, accessToken }: Granted): Promise<void> {
  const ending = { host, server: config.url, signal: AbortSignal.timeout(undoTimeout), where, client }
  const ends = [
    ...(refreshToken === undefined ? [] : [revokeToken(ending, refreshToken, 'refresh_token')]),
    revokeToken(ending, accessToken, 'access_token'),
  ]
  await Promise.allSettled(ends)
}

/** The login that this one takes the place of, where it was at the same server. */
function previousAt({ config, host, where }: Login): Session | undefined {
  const secret = host.previous(sessionSecret)
  const session = secret === undefined ? undefined : openSession(secret)
  return session?.server === config.url && session.issuer === where.issuer ? session : undefined
}

function sameClient(before: Session | undefined, { redirectUri }: LoginCallback): Client | undefined {
  return before?.client.registration === 'dynamic' && before.redirectUri === redirectUri ? before.client : undefined
}

/** `offline_access` stands for a refresh token, where the server knows that word. Without any scope the server's own default holds. */
function scopeText(scopes: readonly string[], { offersOfflineAccess }: Discovery): string | undefined {
  if (scopes.length === 0) return undefined
  return union(scopes, offersOfflineAccess ? ['offline_access'] : []).join(' ')
}

function notesOf({ where }: Login, { id, registration }: Client, scopes: readonly string[], round: number): string[] {
  const what = scopes.length === 0 ? 'what it gives by default' : quote(scopes.join(' '), 400)
  return [
    `jit asks ${quote(where.issuer)} for a token for ${quote(where.resource)}, and may then do there: ${what}`,
    ...(round > 1 ? ['The server wants more than it said before; this page asks for all of it.'] : []),
    ...(registration === 'dynamic'
      ? [`jit registered itself there as ${quote(id, 80)}: any program can do that, so that its name on the page proves nothing`]
      : []),
  ]
}

function askOf({ config, host, signal }: Login): Ask {
  return { host, server: config.url, signal: AbortSignal.any([signal, AbortSignal.timeout(stepTimeout)]) }
}
