import { z } from 'zod'
import { type Answer, type Caller, forbidden, invalid, levels, notFound, repositories, type Route, withToken } from './answers.ts'
import { repositoryOf, userOf } from './shapes.ts'
import type { FakeApp, FakeInstallation } from './state.ts'

const mintBody = z.object({
  repositories: z.array(z.string()).optional(),
  repository_ids: z.array(z.number()).optional(),
  permissions: z.record(z.string(), z.enum(['read', 'write', 'admin'])).optional(),
})

/** What the App itself may do, and what a token may do with itself. */
export const appRoutes: readonly Route[] = [
  ['GET', '/app', (_, caller) => asApp(caller, (app) => ({ status: 200, body: { id: app.appId, slug: app.slug, name: app.slug } }))],
  ['GET', '/app/installations', (_, caller) => asApp(caller, (app) => ({ status: 200, body: mine(caller, app).map(installationOf) }))],
  [
    'GET',
    '/app/installations/:id',
    ({ match }, caller) => asApp(caller, (app) => one(mine(caller, app).find((known) => String(known.id) === match['id']))),
  ],
  [
    'GET',
    '/users/:login/installation',
    ({ match }, caller) =>
      asApp(caller, (app) => one(mine(caller, app).find((known) => known.account.toLowerCase() === match['login']?.toLowerCase()))),
  ],
  [
    'POST',
    '/app/installations/:id/access_tokens',
    ({ match, body }, caller) =>
      asApp(caller, (app) =>
        mintToken(
          mine(caller, app).find((known) => String(known.id) === match['id']),
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
]

function mintToken(installation: FakeInstallation | undefined, caller: Caller, body: unknown): Answer {
  if (installation === undefined) return notFound
  if (installation.suspended === true) return { status: 403, body: { message: 'This installation has been suspended' } }
  const asked = mintBody.safeParse(body)
  if (!asked.success) return invalid('Invalid request.')
  const { permissions = installation.permissions } = asked.data
  const tooMuch = Object.entries(permissions).some(
    ([name, level]) => (levels[level] ?? 9) > (levels[installation.permissions[name] ?? ''] ?? 0),
  )
  if (tooMuch) return invalid('The permissions requested are not granted to this installation.')
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
    return invalid('There is at least one repository that does not exist or is not accessible to the parent installation.')
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

function asApp(caller: Caller, handle: (app: FakeApp) => Answer): Answer {
  if (caller.app !== undefined) return handle(caller.app)
  return { status: 401, body: { message: caller.appProblem ?? 'A JSON web token could not be decoded' } }
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
