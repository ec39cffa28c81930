import { userInfo } from 'node:os'
import { decodeProtectedHeader } from 'jose'
import { z } from 'zod'
import {
  type Credential,
  JitError,
  type MintRequest,
  nothingMinted,
  type Provider,
  type ProviderHost,
  quote,
  redact,
  type RevokeOutcome,
  Secret,
  unfitToken,
} from '../../src/provider/index.ts'
import { proveClient } from './client-authentication.ts'
import type { OauthConfig } from './config.ts'
import { createEndpoints, type Endpoints } from './endpoints.ts'
import { covers, grantedBy, widening } from './granted.ts'
import { type Answer, failureOf, send } from './http.ts'
import { nameOf } from './endpoint.ts'
import { describeScope, parametersOf, parseScope, partitionOf } from './request.ts'
import type { OauthScope } from './scope.ts'

/** RFC 6749 §5.1, 8693 §2.2.1 and 9396 §7; what is not read here is not used. */
const tokenAnswer = z.object({
  access_token: z.string().min(1),
  token_type: z.string(),
  expires_in: z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,10}$/)
        .transform(Number),
    ])
    .optional(),
  scope: z.string().optional(),
  refresh_token: z.string().min(1).optional(),
  issued_token_type: z.string().optional(),
  authorization_details: z.array(z.record(z.string(), z.json())).optional(),
})

/** Milliseconds for taking back what cannot be used. */
const undoTimeout = 10_000
const maxRefusal = 300

export function openOauth(config: OauthConfig, host: ProviderHost): Provider {
  const endpoints = createEndpoints(config, host)

  /** One request that the client proves itself in. `prepare` fails before anything was sent. */
  const ask = async (
    endpoint: string,
    parameters: readonly (readonly [string, string])[],
    carried: readonly Secret[],
    signal: AbortSignal,
  ): Promise<Answer> => {
    const proof = await proveClient(config, host, config.issuer ?? endpoint).catch((error: unknown) => {
      throw nothingMinted(error)
    })
    const secrets = [...proof.secrets, ...carried]
    const answer = await send(host, endpoint, { headers: proof.headers, parameters: [...proof.parameters, ...parameters], secrets }, signal)
    if (answer.status === 200) return answer
    throw failureOf(answer, endpoint, host, secrets)
  }

  const findEndpoints = async (signal: AbortSignal): Promise<Endpoints> => {
    const found = await endpoints.find(signal)
    const { authentication: ways } = found
    if (ways !== undefined && !ways.includes(config.authentication))
      throw new JitError(
        'provider.login',
        `the server of provider ${host.name} does not take ${config.authentication}, but ${quote(ways.join(', '))}`,
      )
    return found
  }

  const mint = async (request: MintRequest, signal: AbortSignal): Promise<Credential> => {
    const scope = parseScope(request.scope)
    const prepared = await prepare(request, scope, signal).catch((error: unknown) => {
      throw nothingMinted(error)
    })
    const { token: endpoint } = prepared.endpoints
    const askedAt = host.clock.now()
    const answer = await ask(endpoint, prepared.parameters, prepared.carried, signal)
    const parsed = tokenAnswer.safeParse(answer.body)
    if (!parsed.success) throw new JitError('provider.unavailable', `the answer of ${nameOf(endpoint)} has another form than documented`)
    const { data } = parsed
    const life = data.expires_in === undefined ? config.defaultTtl : data.expires_in * 1000
    const credential: Credential = {
      secrets: {
        token: new Secret(data.access_token),
        // Only to end it: the client could have new tokens for it long after this one.
        ...(data.refresh_token === undefined ? {} : { refreshToken: new Secret(data.refresh_token) }),
      },
      // From when it was asked for: on the way the token gets older, not younger.
      expiresAt: askedAt + life,
      granted: grantedBy(data, scope),
    }
    const unfit = unfitToken(data.access_token) ?? (data.refresh_token === undefined ? undefined : unfitToken(data.refresh_token))
    if (unfit !== undefined) return forget(credential, unfit)
    const reason = unusable(data, life) ?? widening(credential.granted, request.scope)
    return reason === undefined ? credential : refuse(credential, reason, data.access_token)
  }

  const prepare = async (
    request: MintRequest,
    scope: OauthScope,
    signal: AbortSignal,
  ): Promise<{ endpoints: Endpoints; parameters: [string, string][]; carried: Secret[] }> => {
    const found = await findEndpoints(signal)
    const parameters = parametersOf(config, scope)
    const carried: Secret[] = []
    if (config.grant === 'token-exchange') {
      const subject = host.secret('subjectToken').reveal().trim()
      carried.push(new Secret(subject))
      parameters.push(['subject_token', subject])
      if (config.actor) {
        const actor = await host.principalToken(request.principal, config.issuer ?? found.token)
        carried.push(new Secret(actor))
        parameters.push(['actor_token', actor])
      }
    }
    return { endpoints: found, parameters, carried }
  }

  const unusable = (answer: z.infer<typeof tokenAnswer>, life: number): string | undefined => {
    const { token_type: type, issued_token_type: issued } = answer
    if (type.toLowerCase() === 'dpop') return 'the token is bound to a key (DPoP), which jit does not do: switch that off for this client'
    if (type.toLowerCase() !== 'bearer') return `the token is of type ${quote(type, 40)}, not Bearer`
    if (issued !== undefined && !usableTypes.has(issued)) return `the exchange gave a ${quote(issued, 80)}, not an access token`
    if (life > config.maxTtl) return `the token lives for ${life / 1000} s, and \`maxTtl\` allows ${config.maxTtl / 1000} s`
    return undefined
  }

  /** A token that cannot be hidden is no secret: nobody gets it, and nobody looks for it. */
  const forget = async (credential: Credential, unfit: string): Promise<never> => {
    const ended = await revoke(credential, AbortSignal.timeout(undoTimeout)).catch(() => undefined)
    throw new JitError('provider.refused', `provider ${host.name} was given a token that ${unfit}`, {
      details: { sent: ended?.outcome !== 'revoked' },
    })
  }

  /**
   * A token that nobody may have is ended here and now, and the mint says why. Where that fails, the broker gets it, finds the
   * same by `covers`, and goes on trying to end it.
   */
  const refuse = async (credential: Credential, reason: string, token: string): Promise<Credential> => {
    const ended = await revoke(credential, AbortSignal.timeout(undoTimeout)).catch(() => undefined)
    const said = redact(reason, [new Secret(token)]).slice(0, maxRefusal)
    if (ended?.outcome === 'revoked')
      throw new JitError(
        'provider.scope',
        `provider ${host.name} was given a token that it may not use, and revoked it: ${quote(said, maxRefusal)}`,
      )
    host.log.warn('token not usable, and not revoked yet', { provider: host.name, reason: quote(said, maxRefusal) })
    return { ...credential, granted: { refused: said } }
  }

  const revoke = async (credential: Credential, signal: AbortSignal): Promise<RevokeOutcome> => {
    const token = credential.secrets['token']
    if (token === undefined) throw new JitError('internal', 'a credential of oauth has a token')
    const { revocation, introspection } = await findEndpoints(signal)
    const expires = { outcome: 'expires', validUntil: credential.expiresAt } as const
    if (revocation === undefined) return { ...expires, detail: 'the server has no revocation endpoint' }
    const { refreshToken: refresh } = credential.secrets
    if (refresh !== undefined) await end(revocation, refresh, 'refresh_token', signal)
    if (!(await end(revocation, token, 'access_token', signal)))
      return { ...expires, detail: 'the server does not revoke tokens of this kind' }
    if (isSelfContained(token))
      return { outcome: 'accepted', detail: 'the token is a JWT: whoever checks it without asking the server takes it until it expires' }
    if (introspection === undefined) return { outcome: 'revoked', verified: false }
    const active = await isActive(introspection, token, signal)
    if (active === true) return { outcome: 'accepted', detail: 'the server took the revocation, but still calls the token active' }
    return { outcome: 'revoked', verified: active === false }
  }

  /** RFC 7009: a token that is dead already is no error. False when the server does not revoke this kind of token. */
  const end = async (endpoint: string, token: Secret, kind: string, signal: AbortSignal): Promise<boolean> => {
    const value = token.reveal()
    const proof = await proveClient(config, host, config.issuer ?? endpoint)
    const parameters = [...proof.parameters, ['token', value], ['token_type_hint', kind]] as const
    const secrets = [...proof.secrets, token]
    const answer = await send(host, endpoint, { headers: proof.headers, parameters, secrets }, signal)
    if (answer.body?.['error'] === 'unsupported_token_type') return false
    if (answer.status === 200 || answer.status === 204) return true
    throw failureOf(answer, endpoint, host, secrets)
  }

  /** Undefined when the server does not tell: whether a client may ask is its own affair. */
  const isActive = async (endpoint: string, token: Secret, signal: AbortSignal): Promise<boolean | undefined> => {
    const value = token.reveal()
    const parameters = [
      ['token', value],
      ['token_type_hint', 'access_token'],
    ] as const
    const answer = await ask(endpoint, parameters, [token], signal).catch(() => undefined)
    const active = answer?.body?.['active']
    return typeof active === 'boolean' ? active : undefined
  }

  return {
    origin: config.origin,
    get revocation() {
      return endpoints.known !== undefined && endpoints.known.revocation === undefined ? 'expiry' : 'immediate'
    },
    mint,
    revoke,
    covers,
    partition: partitionOf,
    describe: describeScope,
    asks(scope) {
      const parsed = parseScope(scope)
      const { authorization_details: details } = parsed
      const form = Object.fromEntries(grouped(parametersOf(config, parsed)))
      return details === undefined ? form : { ...form, authorization_details: details }
    },
    async prove(signal) {
      const principal = { human: whoLogsIn(), agent: 'jit login', session: 'login', server: 'login', tool: 'login' }
      const credential = await mint({ lease: 'login', scope: config.proof, ttl: config.defaultTtl, principal }, signal)
      // Also when `signal` has ended: no token stays behind.
      const ended = await revoke(credential, AbortSignal.timeout(undoTimeout)).catch((cause: unknown) => {
        throw new JitError('provider.unavailable', `a token that provider ${host.name} minted as a proof could not be revoked`, {
          cause,
          details: { sent: true },
        })
      })
      if (!covers(credential.granted, config.proof))
        throw new JitError(
          'provider.scope',
          `provider ${host.name} was given a token that it may not use: ${quote(credential.granted, maxRefusal)}`,
        )
      return {
        server: config.issuer ?? nameOf(config.tokenEndpoint ?? ''),
        client: config.clientId,
        granted: credential.granted,
        life: `${Math.round((credential.expiresAt - host.clock.now()) / 1000)} s`,
        proof: proofOf(ended),
      }
    },
  }
}

const usableTypes = new Set(['urn:ietf:params:oauth:token-type:access_token', 'urn:ietf:params:oauth:token-type:jwt'])

/** As calls will name them: a server that decides on who acts decides on this too. */
function whoLogsIn(): string {
  const uid = process.getuid?.() ?? 0
  try {
    return `${userInfo().username}(${uid})`
  } catch {
    return `uid(${uid})`
  }
}

/** RFC 9068: such a token can be checked by its signature alone. Nothing else is read in it. */
function isSelfContained(token: Secret): boolean {
  try {
    return decodeProtectedHeader(token.reveal()).alg !== undefined
  } catch {
    return false
  }
}

function proofOf(ended: RevokeOutcome): string {
  if (ended.outcome === 'revoked')
    return ended.verified ? 'minted a token and revoked it' : 'minted a token and revoked it; that it is dead could not be verified'
  return `minted a token, which lives until it expires: ${ended.detail}`
}

/** A parameter that occurs more than once is a list. */
function grouped(parameters: readonly (readonly [string, string])[]): Map<string, string | string[]> {
  const all = new Map<string, string | string[]>()
  for (const [name, value] of parameters) {
    const before = all.get(name)
    all.set(name, before === undefined ? value : [before, value].flat())
  }
  return all
}
