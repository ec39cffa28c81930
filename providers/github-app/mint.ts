import { z } from 'zod'
import {
  type Credential,
  JitError,
  type JsonObject,
  type MintRequest,
  nothingMinted,
  type Provider,
  type ProviderHost,
  quote,
  Secret,
} from '../../src/provider/index.ts'
import { createApi } from './api.ts'
import { type GithubAppConfig, type GithubScope, githubScope } from './config.ts'

const installation = z.object({
  id: z.number(),
  account: z.object({ login: z.string() }),
  permissions: z.record(z.string(), z.string()).default({}),
  suspended_at: z.string().nullish(),
})
const minted = z.object({
  token: z.string().min(20),
  expires_at: z.string(),
  permissions: z.record(z.string(), z.string()),
  repository_selection: z.string().optional(),
  repositories: z.array(z.object({ id: z.number(), full_name: z.string() })).optional(),
})

/** Milliseconds for taking back what was minted in passing. */
const undoTimeout = 10_000

const repositoryList = z.object({ total_count: z.number().optional(), repositories: z.array(z.object({ id: z.number() })) })

const levels = { read: 1, write: 2, admin: 3 } as const
/** A rename or transfer shows after this long; until then the check after the mint catches it. */
const repositoryIdLife = 600_000

export function openGithub(config: GithubAppConfig, host: ProviderHost): Provider {
  const api = createApi(config, host)
  const ids = new Map<string, { id: number; until: number }>()
  let known: z.infer<typeof installation> | undefined

  const findInstallation = async (signal: AbortSignal): Promise<z.infer<typeof installation>> => {
    if (known !== undefined) return known
    const { installation: wanted } = config
    const route = typeof wanted === 'number' ? 'GET /app/installations/{id}' : 'GET /users/{login}/installation'
    try {
      const { data } = await api(route, typeof wanted === 'number' ? { id: wanted } : { login: wanted }, { app: true }, signal)
      known = parse(installation, data, route)
    } catch (error) {
      throw nothingMinted(notInstalled(error, wanted))
    }
    return known
  }
  const post = async (body: Record<string, unknown>, signal: AbortSignal): Promise<z.infer<typeof minted>> => {
    const { id } = await findInstallation(signal)
    const { data } = await api(
      'POST /app/installations/{installation_id}/access_tokens',
      { installation_id: id, ...body },
      { app: true },
      signal,
    )
    return parse(minted, data, 'POST access_tokens')
  }
  const revoke = async (token: Secret, signal: AbortSignal): Promise<{ outcome: 'revoked'; verified: boolean }> => {
    const ended = await api('DELETE /installation/token', {}, { token }, signal).then(() => true, deadBefore)
    const dead = await isDead(token, signal)
    // A 401 says that it was dead already, or that GitHub looked somewhere else; a 204 while GitHub takes the token says nothing.
    if (dead === false || (!ended && dead === undefined))
      throw new JitError('provider.unavailable', 'GitHub answered to the end of a token, and may take it still')
    return { outcome: 'revoked', verified: dead === true }
  }
  /** Undefined when GitHub does not tell. */
  const isDead = (token: Secret, signal: AbortSignal): Promise<boolean | undefined> =>
    api('GET /installation/repositories', { per_page: 1 }, { token }, signal).then(
      () => false,
      (error: unknown) => (error instanceof JitError && error.details['status'] === 401 ? true : undefined),
    )

  /**
   * Mints a token that is only a means, uses it and ends it. Fails when the token may be left alive (lost, for the broker);
   * a failure after which it is certainly dead says so.
   */
  const inPassing = async <T>(
    body: Record<string, unknown>,
    signal: AbortSignal,
    use: (answer: z.infer<typeof minted>, token: Secret) => T | Promise<T>,
  ): Promise<{ value: T; verified: boolean }> => {
    const answer = await post(body, signal)
    const token = new Secret(answer.token)
    const used = await new Promise<T>((resolve) => resolve(use(answer, token))).then(
      (value) => ({ value }),
      (failure: unknown) => ({ failure }),
    )
    // Also when `signal` has cut the use short: no token stays behind.
    const { verified } = await revoke(token, AbortSignal.timeout(undoTimeout)).catch((cause: unknown) => {
      throw new JitError('provider.unavailable', `a token that provider ${host.name} minted to look something up could not be revoked`, {
        cause,
        details: { sent: true },
      })
    })
    if ('failure' in used) throw nothingMinted(used.failure)
    return { value: used.value, verified }
  }

  /** A name is resolved under the installation's own account, by a token that can do nothing but name that repository. */
  const repositoryId = async (fullName: string, signal: AbortSignal): Promise<number> => {
    const key = fullName.toLowerCase()
    const cached = ids.get(key)
    if (cached !== undefined && cached.until > host.clock.now()) return cached.id
    const [owner = '', name = ''] = fullName.split('/')
    const { account } = await findInstallation(signal)
    if (account.login.toLowerCase() !== owner.toLowerCase()) {
      throw new JitError(
        'provider.refused',
        `repository ${quote(fullName)} does not belong to ${quote(account.login)}, the account of provider ${host.name}`,
        { hint: 'Register the App’s installation on that account as a provider of its own.' },
      )
    }
    const { value: id } = await inPassing({ repositories: [name], permissions: { metadata: 'read' } }, signal, (answer) => {
      const found = answer.repositories?.find((repository) => repository.full_name.toLowerCase() === key)
      if (found === undefined) throw new JitError('provider.scope', `GitHub resolved ${quote(fullName)} to another repository`)
      return found.id
    })
    ids.set(key, { id, until: host.clock.now() + repositoryIdLife })
    return id
  }

  /** For public reads: a token must be narrowed to some repository, since one without a list means every repository. */
  const anyRepository = async (signal: AbortSignal): Promise<number> => {
    const cached = ids.get('')
    if (cached !== undefined && cached.until > host.clock.now()) return cached.id
    const {
      value: [first],
    } = await inPassing({ permissions: { metadata: 'read' } }, signal, async (_, token) => {
      const { data } = await api('GET /installation/repositories', { per_page: 1 }, { token }, signal)
      return parse(repositoryList, data, 'GET /installation/repositories').repositories
    })
    if (first === undefined)
      throw new JitError('provider.scope', `the installation of provider ${host.name} has no repository to narrow a public token to`)
    ids.set('', { id: first.id, until: host.clock.now() + repositoryIdLife })
    return first.id
  }

  return {
    origin: new URL(config.apiUrl).origin,
    async mint(request: MintRequest, signal: AbortSignal): Promise<Credential> {
      const scope = parseScope(request.scope)
      const publicRead = 'public' in scope
      const repositoryIds = publicRead ? [await anyRepository(signal)] : []
      for (const repository of publicRead ? [] : scope.repositories) repositoryIds.push(await repositoryId(repository, signal))
      const answer = await post(
        { repository_ids: repositoryIds, permissions: publicRead ? { metadata: 'read' } : scope.permissions },
        signal,
      )
      const token = new Secret(answer.token)
      return {
        secrets: { token },
        expiresAt: Date.parse(answer.expires_at),
        granted: {
          repositories: (answer.repositories ?? []).map((repository) => repository.full_name),
          permissions: answer.permissions,
          selection: answer.repository_selection ?? 'all',
        },
        upstreamHash: token.sha256Base64(),
      }
    },
    revoke: (credential, signal) => {
      const token = credential.secrets['token']
      if (token === undefined) throw new JitError('internal', 'a credential of github-app has a token')
      return revoke(token, signal)
    },
    covers(granted, asked) {
      const scope = githubScope.safeParse(asked)
      const repositories = z.array(z.string()).safeParse(granted['repositories'])
      const permissions = z.record(z.string(), z.string()).safeParse(granted['permissions'])
      if (!scope.success || !repositories.success || !permissions.success || granted['selection'] !== 'selected') return false
      const wanted: Readonly<Record<string, string>> = 'public' in scope.data ? {} : scope.data.permissions
      const named = 'public' in scope.data ? undefined : new Set(scope.data.repositories.map((name) => name.toLowerCase()))
      return (
        repositories.data.length > 0 &&
        (named === undefined ? repositories.data.length === 1 : repositories.data.every((name) => named.has(name.toLowerCase()))) &&
        Object.entries(permissions.data).every(([name, level]) => {
          // Own ones only: every object knows a `constructor`.
          const most = Object.hasOwn(wanted, name) ? rank(wanted[name]) : 0
          return rank(level) <= Math.max(most, name === 'metadata' ? 1 : 0)
        })
      )
    },
    partition: (scope) =>
      names(scope)
        .map((name) => name.toLowerCase())
        .sort()
        .join(' '),
    describe: (scope) => names(scope).join(', '),
    async prove(signal) {
      const { data } = await api('GET /app', {}, { app: true }, signal)
      const app = parse(z.object({ slug: z.string() }), data, 'GET /app')
      const found = await findInstallation(signal)
      const { value: total, verified } = await inPassing({ permissions: { metadata: 'read' } }, signal, async (_, token) => {
        const { data: listed } = await api('GET /installation/repositories', { per_page: 1 }, { token }, signal)
        return parse(repositoryList, listed, 'GET /installation/repositories').total_count
      })
      return {
        app: app.slug,
        account: found.account.login,
        installation: found.id,
        repositories: total ?? null,
        permissions: found.permissions,
        proof: verified ? 'minted a token and revoked it' : 'minted a token; its revocation could not be verified',
      }
    },
  }
}

function parseScope(scope: JsonObject): GithubScope {
  const parsed = githubScope.safeParse(scope)
  if (!parsed.success) throw new JitError('provider.scope', `not a scope of github-app: ${quote(scope)}`)
  return parsed.data
}

/** Asked for with each call; whether the scope is one at all, the minting looks at. */
function names({ repositories }: JsonObject): string[] {
  return Array.isArray(repositories) ? repositories.filter((name) => typeof name === 'string') : ['public']
}

function rank(level: string | undefined): number {
  return level === 'read' || level === 'write' || level === 'admin' ? levels[level] : level === undefined ? 0 : 9
}

function parse<T>(schema: z.ZodType<T>, data: unknown, route: string): T {
  const parsed = schema.safeParse(data)
  if (!parsed.success) throw new JitError('provider.unavailable', `GitHub's answer to ${route} has another form than documented`)
  return parsed.data
}

/** Answers false when GitHub said 401; throws whatever else it said. */
function deadBefore(error: unknown): false {
  if (!(error instanceof JitError) || error.details['status'] !== 401) throw error
  return false
}

/** GitHub's 404 does not say which account was asked for. */
function notInstalled(error: unknown, wanted: string | number): unknown {
  if (!(error instanceof JitError) || error.details['status'] !== 404) return error
  const where = typeof wanted === 'number' ? `it has no installation ${wanted}` : `it is not installed on the account ${quote(wanted)}`
  return new JitError('provider.refused', `GitHub knows the App, but ${where}`, {
    hint: 'Check the name, or install the App there: Settings → Developer settings → GitHub Apps → Install App.',
    details: error.details,
    cause: error,
  })
}
