import { z } from 'zod'
import {
  type Credential,
  JitError,
  type Json,
  type MintRequest,
  nothingMinted,
  type Provider,
  type ProviderHost,
  type RevokeOutcome,
} from '../../src/provider/index.ts'
import { createClient, type VaultRequest } from './client.ts'
import type { PathsScope, VaultConfig } from './config.ts'
import { readDynamic, revokeLease } from './lease.ts'
import { asks, covers, describe, parseScope, partition, policyText } from './scope.ts'
import { Session } from './session.ts'
import { createToken, leftBehind, revokeToken } from './token.ts'

const lookup = z.object({ data: z.object({ policies: z.array(z.string()).default([]), display_name: z.string().default('') }) })
const health = z.object({ version: z.string() })

/** Milliseconds for removing a policy whose token did not come. */
const undoTimeout = 10_000
/** Seconds that a policy outlives its token, where it can end by itself. */
const policyMargin = 60
const proofTtl = 15_000

export function openVault(config: VaultConfig, host: ProviderHost): Provider {
  const send = createClient(config, host)
  const session = new Session({ config, host, send })
  const longest = config.maxTtl

  const tokenRole = (): string => {
    if (config.tokenRole !== undefined) return config.tokenRole
    throw new JitError('provider.refused', `provider ${host.name} makes no tokens: it has no \`tokenRole\``, {
      hint: `Make a token role in Vault, and set \`tokenRole\` under providers.${host.name}; providers/vault/README.md has both.`,
    })
  }
  const deletePolicy = async (policy: string, signal: AbortSignal): Promise<void> => {
    const request: VaultRequest = { method: 'DELETE', path: ['sys', 'policies', 'acl', policy] }
    const { answer } = await session.request(request, signal)
    if (answer.status !== 200 && answer.status !== 204) await session.fail(answer, request, signal)
  }

  /** A policy of its own for one lease: what it says dies with the lease, and a lost token without its policy can do nothing. */
  const mintPaths = async (scope: PathsScope, request: MintRequest, ttl: number, signal: AbortSignal): Promise<Credential> => {
    if (!config.ephemeralPolicies)
      throw new JitError('provider.refused', `provider ${host.name} writes no policies: \`paths\` needs \`ephemeralPolicies: true\``, {
        hint: 'Read first what it costs: providers/vault/README.md. The other way are policies that exist: scope { policies: [...] }.',
      })
    const role = tokenRole()
    const policy = `jit-${request.lease}`
    const write: VaultRequest = {
      method: 'POST',
      path: ['sys', 'policies', 'acl', policy],
      // `ttl` is OpenBao's (2.3 or later): the policy ends by itself. Vault takes no notice of it.
      body: { policy: policyText(scope), ttl: `${Math.ceil(ttl / 1000) + policyMargin}s` },
    }
    const withdraw = (): Promise<void> =>
      deletePolicy(policy, AbortSignal.timeout(undoTimeout)).catch(() =>
        host.log.warn('policy left behind; it is good for nothing without its token', { provider: host.name, policy }),
      )
    try {
      await session.call(write, signal, ttl)
    } catch (error) {
      if (!isAnswered(error)) await withdraw()
      throw nothingMinted(error)
    }
    try {
      const credential = await createToken(session, host, role, { policies: [policy], uses: scope.uses, ttl }, request, signal)
      const { policies, ...rest } = credential.granted
      const only = Array.isArray(policies) && policies.length === 1 && policies[0] === policy
      return only
        ? { ...credential, granted: { ...rest, paths: scope.paths, policy } }
        : { ...credential, granted: { ...credential.granted, policy } }
    } catch (error) {
      await withdraw()
      throw error
    }
  }

  const mint = async (request: MintRequest, signal: AbortSignal): Promise<Credential> => {
    const scope = parseScope(request.scope)
    const ttl = Math.min(request.ttl, longest)
    if ('dynamic' in scope) return readDynamic(session, host, scope, ttl, signal)
    if ('paths' in scope) return mintPaths(scope, request, ttl, signal)
    return createToken(session, host, tokenRole(), { policies: scope.policies, uses: scope.uses, ttl }, request, signal)
  }

  const revoke: NonNullable<Provider['revoke']> = async (credential, signal) => {
    const lease = credential.secrets['leaseId']
    if (lease !== undefined) return revokeLease(session, credential, lease.reveal(), signal)
    const outcome = await revokeToken(session, credential, signal)
    const { policy } = credential.granted
    if (typeof policy === 'string') await deletePolicy(policy, signal)
    return outcome
  }

  /** A token with `default` only, used by nobody. Answers how it went. */
  const proveMint = async (role: string, signal: AbortSignal): Promise<string> => {
    const principal = { human: 'jit', agent: 'jit', session: 'proof', server: 'jit', tool: 'login' }
    let credential: Credential
    try {
      credential = await createToken(
        session,
        host,
        role,
        { policies: ['default'], uses: 1, ttl: proofTtl },
        { lease: 'proof', principal },
        signal,
      )
    } catch (error) {
      const refused = error instanceof JitError && error.details['status'] === 400 && /subset|disallowed|not allowed/i.test(error.message)
      if (refused) return `logged in; token role ${role} does not take the policy "default", so that no token was made on trial`
      throw error
    }
    const outcome = await revoke(credential, signal).catch((failure: unknown) => {
      throw leftBehind(`a token that provider ${host.name} made on trial`, failure)
    })
    if (outcome.outcome === 'expires')
      throw new JitError('provider.login', `token role ${role} makes batch tokens, which nobody can revoke`, {
        hint: 'Set token_type=service on it.',
      })
    const verified = outcome.outcome === 'revoked' && outcome.verified
    return verified ? 'made a token and revoked it' : 'made a token; its revocation could not be verified'
  }

  return {
    origin: new URL(config.address).origin,
    maxTtl: longest,
    mint: (request, signal) => mint(request, signal),
    revoke,
    covers,
    partition,
    describe,
    asks,
    requestHeaders: { 'x-vault-namespace': config.namespace ?? null },
    environment: () => (config.namespace === undefined ? {} : { VAULT_NAMESPACE: config.namespace }),
    async prove(signal) {
      const { body } = await session.call({ method: 'GET', path: ['auth', 'token', 'lookup-self'] }, signal)
      const own = lookup.safeParse(body)
      const { body: state } = await send({ method: 'GET', path: ['sys', 'health'] }, signal)
      const version = health.safeParse(state)
      const policies = own.success ? own.data.data.policies : []
      const facts: Record<string, Json> = {
        account: own.success ? own.data.data.display_name : null,
        version: version.success ? version.data.version : null,
        policies,
        tokenRole: config.tokenRole ?? null,
        proof:
          config.tokenRole === undefined ? 'logged in; without a token role no token is made' : await proveMint(config.tokenRole, signal),
      }
      return policies.includes('root') ? { ...facts, warning: 'this is a root token: give the broker a policy of its own' } : facts
    },
    // With any other method the broker gives its tokens back when it is done with them.
    ...(config.method === 'oidc' ? { logOut: (signal) => logOut(session, signal) } : {}),
    close: () => session.close(),
  }
}

/** Ends the token of the login, and with it everything that was made with it. */
async function logOut(session: Session, signal: AbortSignal): Promise<RevokeOutcome> {
  const { answer } = await session.request(revokeSelf, signal)
  return answer.status === 204 ? { outcome: 'revoked', verified: false } : session.fail(answer, revokeSelf, signal)
}

const revokeSelf = { method: 'POST', path: ['auth', 'token', 'revoke-self'], body: {} } as const

/** The upstream said no, so that nothing of this request is left. */
function isAnswered(error: unknown): boolean {
  return error instanceof JitError && (error.details['sent'] === false || typeof error.details['status'] === 'number')
}
