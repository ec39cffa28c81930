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

/** What stands in the path's places, the query and the body of one request. */
export interface Asked {
  readonly match: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: unknown
}

export type Handler = (asked: Asked, caller: Caller) => Answer
/** Method, path with `:name` for one segment and `:name+` for the rest, answer. */
export type Route = readonly [string, string, Handler]
export type Permissions = Readonly<Record<string, 'read' | 'write'>>

export const levels: Readonly<Record<string, number>> = { read: 1, write: 2, admin: 3 }
const documentation = 'https://docs.github.com/rest'
export const badCredentials: Answer = { status: 401, body: { message: 'Bad credentials', documentation_url: documentation } }
export const notFound: Answer = { status: 404, body: { message: 'Not Found', documentation_url: documentation } }
export const forbidden: Answer = {
  status: 403,
  body: { message: 'Resource not accessible by integration', documentation_url: documentation },
}

export function invalid(message = 'Validation Failed'): Answer {
  return { status: 422, body: { message, documentation_url: documentation } }
}

/** A repository outside the token is 404; inside, without all the permissions, 403. */
export function on(permissions: Permissions, handle: (repository: FakeRepository, asked: Asked, caller: Caller) => Answer): Handler {
  return (asked, caller) =>
    withToken(caller, (token) => {
      const { owner, repo } = asked.match
      const repository = repositories(caller, token).find((known) => known.fullName.toLowerCase() === `${owner}/${repo}`.toLowerCase())
      if (repository === undefined) return notFound
      const answer = holds(token, permissions) ? handle(repository, asked, caller) : forbidden
      const accepted = Object.entries(permissions).map(([name, level]) => `${name}=${level}`)
      return { ...answer, accepted: accepted.join(',') }
    })
}

export function holds(token: MintedToken | undefined, permissions: Permissions): boolean {
  return Object.entries(permissions).every(([name, level]) => {
    const held = levels[token?.permissions[name] ?? ''] ?? (name === 'metadata' ? 1 : 0)
    return held >= (levels[level] ?? 9)
  })
}

export function withToken(caller: Caller, handle: (token: MintedToken) => Answer): Answer {
  return caller.token === undefined ? badCredentials : handle(caller.token)
}

export function repositories(caller: Caller, token: MintedToken): FakeRepository[] {
  return caller.installations
    .filter((known) => known.id === token.installation)
    .flatMap((known) => known.repositories.filter((repository) => token.repositories.includes(repository.fullName)))
}

export function found<T>(value: T | undefined, shape: (value: T) => unknown): Answer {
  return value === undefined ? notFound : { status: 200, body: shape(value) }
}

/** `page` and `per_page` of a list. */
export function paged<T>(values: readonly T[], query: URLSearchParams): readonly T[] {
  const size = Math.min(100, Number(query.get('per_page') ?? 30))
  const start = (Number(query.get('page') ?? 1) - 1) * size
  return values.slice(start, start + size)
}
