import { z } from 'zod'
import { issueOf, repositoryOf, userOf } from './shapes.ts'
import type { FakeApp, FakeInstallation, FakeRepository, MintedToken } from './state.ts'

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Value of X-Accepted-GitHub-Permissions. */
  readonly accepted?: string
}

export interface Caller {
  readonly app: FakeApp | undefined
  readonly appProblem: string | undefined
  readonly token: MintedToken | undefined
  readonly installations: readonly FakeInstallation[]
  mint(installation: FakeInstallation, permissions: Record<string, string>, repositories: readonly string[]): MintedToken
  end(token: MintedToken): void
  now(): number
}

type Handler = (match: Record<string, string>, caller: Caller, body: unknown, url: URL) => Answer

const levels: Record<string, number> = { read: 1, write: 2, admin: 3 }
const badCredentials: Answer = { status: 401, body: { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest' } }
const notFound: Answer = { status: 404, body: { message: 'Not Found', documentation_url: 'https://docs.github.com/rest' } }
const mintBody = z.object({
  repositories: z.array(z.string()).optional(),
  repository_ids: z.array(z.number()).optional(),
  permissions: z.record(z.string(), z.enum(['read', 'write', 'admin'])).optional(),
})
const newIssue = z.object({ title: z.string(), body: z.string().optional() })

/** Path → who may → answer. `any:` permissions are alternatives, as for issue comments on pull requests. */
const table: readonly (readonly [string, string, Handler])[] = [
  ['GET', '/app', (_, caller) => asApp(caller, (app) => ({ status: 200, body: { id: app.appId, slug: app.slug, name: app.slug } }))],
  ['GET', '/app/installations', (_, caller) => asApp(caller, (app) => ({ status: 200, body: mine(caller, app).map(installationOf) }))],
  [
    'GET',
    '/app/installations/:id',
    ({ id }, caller) => asApp(caller, (app) => one(mine(caller, app).find((known) => String(known.id) === id))),
  ],
  [
    'GET',
    '/users/:login/installation',
    ({ login }, caller) =>
      asApp(caller, (app) => one(mine(caller, app).find((known) => known.account.toLowerCase() === login?.toLowerCase()))),
  ],
  [
    'POST',
    '/app/installations/:id/access_tokens',
    ({ id }, caller, body) =>
      asApp(caller, (app) =>
        mintToken(
          mine(caller, app).find((known) => String(known.id) === id),
          caller,
          body,
        ),
      ),
  ],
  ['DELETE', '/installation/token', (_, caller) => withToken(caller, (token) => (caller.end(token), { status: 204 }))],
  [
    'GET',
    '/installation/repositories',
    (_, caller) =>
      withToken(caller, (token) => ({
        status: 200,
        body: { total_count: token.repositories.length, repositories: repositories(caller, token).map(repositoryOf) },
      })),
  ],
  ['GET', '/user', (_, caller) => withToken(caller, () => forbidden)],
  ['GET', '/repos/:owner/:repo', on('metadata', 'read', (repository) => ({ status: 200, body: repositoryOf(repository) }))],
  [
    'GET',
    '/repos/:owner/:repo/issues',
    on('issues', 'read', (repository) => ({ status: 200, body: repository.issues.map((issue) => issueOf(repository, issue)) })),
  ],
  ['POST', '/repos/:owner/:repo/issues', on('issues', 'write', createIssue)],
  [
    'GET',
    '/repos/:owner/:repo/issues/:number',
    on('issues', 'read', (repository, { number }) =>
      found(
        repository.issues.find((issue) => String(issue.number) === number),
        (issue) => issueOf(repository, issue),
      ),
    ),
  ],
  [
    'POST',
    '/repos/:owner/:repo/issues/:number/comments',
    on('issues', 'write', (_, __, body) => ({
      status: 201,
      body: { id: 1, body: z.object({ body: z.string() }).parse(body).body, user: userOf('acme-agents[bot]') },
    })),
  ],
  [
    'GET',
    '/repos/:owner/:repo/contents/:path+',
    on('contents', 'read', (repository, { path = '' }) =>
      found(repository.files[path], (text) => ({
        type: 'file',
        encoding: 'base64',
        size: text.length,
        name: path,
        path,
        content: Buffer.from(text).toString('base64'),
        sha: '0'.repeat(40),
        url: '',
        git_url: '',
        html_url: '',
        download_url: '',
      })),
    ),
  ],
  ['GET', '/repos/:owner/:repo/commits', on('contents', 'read', () => ({ status: 200, body: [] }))],
]

export async function route(method: string, url: URL, body: unknown, caller: Caller): Promise<Answer> {
  if (body === undefined) return { status: 400, body: { message: 'Problems parsing JSON' } }
  for (const [wanted, pattern, handler] of table) {
    const match = wanted === method ? matchPath(pattern, url.pathname) : undefined
    if (match !== undefined) return handler(match, caller, body, url)
  }
  return caller.token === undefined && caller.app === undefined ? badCredentials : notFound
}

const forbidden: Answer = {
  status: 403,
  body: { message: 'Resource not accessible by integration', documentation_url: 'https://docs.github.com/rest' },
}

/** A repository outside the token is 404; inside, without the permission, 403. */
function on(
  permission: string,
  level: 'read' | 'write',
  handle: (repository: FakeRepository, match: Record<string, string>, body: unknown) => Answer,
): Handler {
  return (match, caller, body) =>
    withToken(caller, (token) => {
      const repository = repositories(caller, token).find(
        (known) => known.fullName.toLowerCase() === `${match['owner']}/${match['repo']}`.toLowerCase(),
      )
      if (repository === undefined) return notFound
      const held = levels[token.permissions[permission] ?? ''] ?? (permission === 'metadata' ? 1 : 0)
      const answer = held >= (levels[level] ?? 9) ? handle(repository, match, body) : forbidden
      return { ...answer, accepted: `${permission}=${level}` }
    })
}

function mintToken(installation: FakeInstallation | undefined, caller: Caller, body: unknown): Answer {
  if (installation === undefined) return notFound
  if (installation.suspended === true) return { status: 403, body: { message: 'This installation has been suspended' } }
  const asked = mintBody.safeParse(body)
  if (!asked.success) return { status: 422, body: { message: 'Invalid request.' } }
  const { permissions = installation.permissions } = asked.data
  const tooMuch = Object.entries(permissions).some(
    ([name, level]) => (levels[level] ?? 9) > (levels[installation.permissions[name] ?? ''] ?? 0),
  )
  if (tooMuch) return { status: 422, body: { message: 'The permissions requested are not granted to this installation.' } }
  const narrowed = asked.data.repositories !== undefined || asked.data.repository_ids !== undefined
  const chosen = narrowed
    ? installation.repositories.filter(
        (known) =>
          asked.data.repositories?.some((name) => `${installation.account}/${name}`.toLowerCase() === known.fullName.toLowerCase()) ===
            true || asked.data.repository_ids?.includes(known.id) === true,
      )
    : installation.repositories
  const wanted = (asked.data.repositories?.length ?? 0) + (asked.data.repository_ids?.length ?? 0)
  if (narrowed && chosen.length < Math.max(1, wanted)) {
    return {
      status: 422,
      body: { message: 'There is at least one repository that does not exist or is not accessible to the parent installation.' },
    }
  }
  const token = caller.mint(
    installation,
    { metadata: 'read', ...permissions },
    chosen.map((known) => known.fullName),
  )
  return {
    status: 201,
    body: {
      token: token.token,
      expires_at: new Date(token.expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
      permissions: token.permissions,
      repository_selection: narrowed ? 'selected' : 'all',
      ...(narrowed ? { repositories: chosen.map(repositoryOf) } : {}),
    },
  }
}

function createIssue(repository: FakeRepository, _: Record<string, string>, body: unknown): Answer {
  const asked = newIssue.safeParse(body)
  if (!asked.success) return { status: 422, body: { message: 'Validation Failed' } }
  const issue = {
    number: Math.max(...repository.issues.map((known) => known.number)) + 1,
    title: asked.data.title,
    body: asked.data.body ?? '',
  }
  repository.issues.push(issue)
  return { status: 201, body: issueOf(repository, issue) }
}

function asApp(caller: Caller, handle: (app: FakeApp) => Answer): Answer {
  if (caller.app !== undefined) return handle(caller.app)
  return { status: 401, body: { message: caller.appProblem ?? 'A JSON web token could not be decoded' } }
}

function withToken(caller: Caller, handle: (token: MintedToken) => Answer): Answer {
  return caller.token === undefined ? badCredentials : handle(caller.token)
}

function repositories(caller: Caller, token: MintedToken): FakeRepository[] {
  return caller.installations
    .filter((known) => known.id === token.installation)
    .flatMap((known) => known.repositories.filter((repository) => token.repositories.includes(repository.fullName)))
}

function mine(caller: Caller, app: FakeApp): FakeInstallation[] {
  return caller.installations.filter((known) => known.appId === app.appId)
}

function one(installation: FakeInstallation | undefined): Answer {
  return installation === undefined ? notFound : { status: 200, body: installationOf(installation) }
}

function installationOf(installation: FakeInstallation): unknown {
  return {
    id: installation.id,
    app_id: installation.appId,
    account: userOf(installation.account),
    permissions: installation.permissions,
    suspended_at: installation.suspended === true ? '2026-01-01T00:00:00Z' : null,
  }
}

function found<T>(value: T | undefined, shape: (value: T) => unknown): Answer {
  return value === undefined ? notFound : { status: 200, body: shape(value) }
}

/** `:name` one segment, `:name+` the rest. */
function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const expression = pattern.replace(/:([a-z]+)(\+?)/g, (_, name: string, rest: string) => `(?<${name}>${rest === '' ? '[^/]+' : '.+'})`)
  const match = new RegExp(`^${expression}$`).exec(path)
  return match === null
    ? undefined
    : Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]))
}
