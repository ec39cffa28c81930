import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { JitError, type ProviderHost, quote, Secret } from '../../src/provider/index.ts'
import type { VaultRequest, VaultSend } from './client.ts'
import { isSealedToken, type VaultConfig } from './config.ts'
import { explain } from './failure.ts'

/** The broker's own token. */
export interface OwnToken {
  readonly token: Secret
  /** Milliseconds since 1970; Infinity for a token without an end. */
  readonly expiresAt: number
  /** Milliseconds that it was good for when it came. */
  readonly life: number
  readonly renewable: boolean
}

export const authAnswer = z.object({
  auth: z.object({
    client_token: z.string(),
    lease_duration: z.number().nonnegative(),
    renewable: z.boolean().default(false),
    token_type: z.string().default('service'),
    mfa_requirement: z.unknown().optional(),
  }),
})
const lookupAnswer = z.object({
  data: z.object({ ttl: z.number().nonnegative(), renewable: z.boolean().default(false), type: z.string().default('service') }),
})

/** Where Kubernetes puts a pod's own token. */
const podToken = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const longestJwt = 65_536

/** Logs in with the method of the config. Throws `provider.login`, naming the setting, or `provider.unavailable`. */
export async function logIn(config: VaultConfig, host: ProviderHost, send: VaultSend, signal: AbortSignal): Promise<OwnToken> {
  if (isSealedToken(config)) return lookUp(config, host, send, signal)
  const { request, secret, setting } = await loginRequest(config, host, signal)
  const now = host.clock.now()
  const answer = await send({ ...request, hide: [secret] }, signal)
  if (answer.status !== 200) {
    const failure = await explain(answer, request, { name: host.name, send }, signal)
    if (failure.code === 'provider.unavailable') throw failure
    throw new JitError('provider.login', `provider ${host.name} could not log in by ${config.method}: ${failure.message}`, {
      hint: `Check ${setting}: \`jit login vault ${host.name} --replace\` registers it again.`,
      details: { status: answer.status },
    })
  }
  const { auth } = parse(authAnswer, answer.body, request)
  if (auth.mfa_requirement !== undefined && auth.mfa_requirement !== null && auth.client_token === '')
    throw new JitError('provider.login', `the login of provider ${host.name} wants a second factor, which a broker does not have`)
  if (auth.client_token.length < 8) throw new JitError('provider.login', `Vault logged provider ${host.name} in without a token`)
  refuseBatch(auth.token_type, host.name, `token_type=service on the role of auth/${config.mount ?? config.method}`)
  return ownToken(new Secret(auth.client_token), auth.lease_duration, auth.renewable, now)
}

/** Asks for the token's life again. Undefined when Vault does not renew it (any more). */
export async function renew(own: OwnToken, host: ProviderHost, send: VaultSend, signal: AbortSignal): Promise<OwnToken | undefined> {
  const now = host.clock.now()
  const request: VaultRequest = { method: 'POST', path: ['auth', 'token', 'renew-self'], token: own.token, body: {} }
  const answer = await send(request, signal)
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 429 && answer.status !== 412) return undefined
  if (answer.status !== 200) throw await explain(answer, request, { name: host.name, send }, signal)
  const { auth } = parse(authAnswer, answer.body, request)
  return {
    ...own,
    expiresAt: endOf(now, auth.lease_duration),
    life: Math.max(own.life, auth.lease_duration * 1000),
    renewable: auth.renewable,
  }
}

/** A sealed token: how long it lives is asked, not guessed. */
async function lookUp(config: VaultConfig, host: ProviderHost, send: VaultSend, signal: AbortSignal): Promise<OwnToken> {
  const token = sealed(host, 'token')
  const now = host.clock.now()
  const request: VaultRequest = { method: 'GET', path: ['auth', 'token', 'lookup-self'], token }
  const answer = await send(request, signal)
  if (answer.status === 403 || answer.status === 401) throw deadToken(config, host.name, answer.said)
  if (answer.status !== 200) throw await explain(answer, request, { name: host.name, send }, signal)
  const { data } = parse(lookupAnswer, answer.body, request)
  refuseBatch(data.type, host.name, 'a service token')
  return ownToken(token, data.ttl, data.renewable, now)
}

export function deadToken(config: VaultConfig, name: string, said: string): JitError {
  if (config.method === 'oidc')
    return new JitError('provider.login', `the login of provider ${name} at Vault is over: ${quote(said)}`, {
      hint: `Log in again: \`jit login vault ${name} --replace --address ${config.address} --method oidc\`, with the options of the first time.`,
    })
  return new JitError('provider.login', `Vault does not accept the token of provider ${name}: it expired or was revoked (${quote(said)})`, {
    hint: `Give a new one: \`jit login vault ${name} --replace --token FILE\`. With \`method: approle\` the broker gets its tokens itself.`,
  })
}

async function loginRequest(
  config: VaultConfig,
  host: ProviderHost,
  signal: AbortSignal,
): Promise<{ request: VaultRequest; secret: Secret; setting: string }> {
  const { method, role = '', username = '', mount = method } = config
  const path = ['auth', ...mount.split('/'), 'login']
  if (method === 'approle') {
    const secret = sealed(host, 'secretId')
    return {
      request: { method: 'POST', path, body: { role_id: role, secret_id: secret.reveal() } },
      secret,
      setting: '`role` (the role id) and the secret id (--secret-id)',
    }
  }
  if (method === 'userpass') {
    const secret = sealed(host, 'password')
    return {
      request: { method: 'POST', path: [...path, username], body: { password: secret.reveal() } },
      secret,
      setting: '`username` and the password (--password)',
    }
  }
  const { secret, setting } = await readJwt(config, host, signal)
  return { request: { method: 'POST', path, body: { role, jwt: secret.reveal() } }, secret, setting: `\`role\` and ${setting}` }
}

/** A file that holds a secret ends in a line break. */
function sealed(host: ProviderHost, name: string): Secret {
  return new Secret(
    host
      .secret(name)
      .reveal()
      .replace(/\r?\n$/, ''),
  )
}

/** A projected token is replaced every hour or so: the file's text of now counts. */
async function readJwt(config: VaultConfig, host: ProviderHost, signal: AbortSignal): Promise<{ secret: Secret; setting: string }> {
  const file = config.jwtFile ?? (config.method === 'kubernetes' && !host.hasSecret('jwt') ? podToken : undefined)
  if (file === undefined) return { secret: sealed(host, 'jwt'), setting: 'the JWT (--jwt, or `jwtFile`)' }
  const text = await readFile(file, { encoding: 'utf8', signal }).catch((cause: unknown) => {
    throw new JitError('provider.login', `\`jwtFile\` ${quote(file)} of provider ${host.name} cannot be read`, { cause })
  })
  const jwt = text.trim()
  if (jwt === '' || jwt.length > longestJwt || /\s/.test(jwt))
    throw new JitError('provider.login', `\`jwtFile\` ${quote(file)} of provider ${host.name} holds no token`)
  return { secret: new Secret(jwt), setting: `the token in ${file} (\`jwtFile\`)` }
}

/** A batch token can make no children and is in no list: nothing of the broker's would end with it. */
export function refuseBatch(type: string, name: string, wanted: string): void {
  if (type === 'batch')
    throw new JitError('provider.login', `the own token of provider ${name} is a batch token, which can make no others`, {
      hint: `It needs ${wanted}.`,
    })
}

function ownToken(token: Secret, seconds: number, renewable: boolean, now: number): OwnToken {
  const expiresAt = endOf(now, seconds)
  return { token, expiresAt, life: expiresAt - now, renewable: renewable && seconds > 0 }
}

/** Vault says 0 of what has no end. */
function endOf(now: number, seconds: number): number {
  return seconds === 0 ? Number.POSITIVE_INFINITY : now + seconds * 1000
}

export function parse<T>(schema: z.ZodType<T>, body: unknown, { method, path }: VaultRequest): T {
  const parsed = schema.safeParse(body)
  if (!parsed.success)
    throw new JitError('provider.unavailable', `Vault's answer to ${method} ${path.join('/')} has another form than documented`)
  return parsed.data
}
