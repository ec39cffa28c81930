import { type Answer, badCredentials, type Caller, notFound, on, type Route } from './answers.ts'
import { appRoutes } from './app.ts'
import { contentRoutes } from './contents.ts'
import { answerGraphql } from './graphql.ts'
import { issueRoutes } from './issues.ts'
import { pullRoutes } from './pulls.ts'
import { repositoryOf } from './shapes.ts'

const table: readonly Route[] = [
  ...appRoutes,
  ['GET', '/repos/:owner/:repo', on({ metadata: 'read' }, (repository) => ({ status: 200, body: repositoryOf(repository) }))],
  ...issueRoutes,
  ...contentRoutes,
  ...pullRoutes,
  ['POST', '/graphql', answerGraphql],
]

export async function route(method: string, url: URL, body: unknown, caller: Caller): Promise<Answer> {
  if (body === undefined) return { status: 400, body: { message: 'Problems parsing JSON' } }
  for (const [wanted, pattern, handler] of table) {
    const match = wanted === method ? matchPath(pattern, url.pathname) : undefined
    if (match !== undefined) return handler({ match, query: url.searchParams, body }, caller)
  }
  return caller.token === undefined && caller.app === undefined ? badCredentials : notFound
}

const places = { '': '[^/]+', '+': '.+', '*': '.*' } as const

/** `:name` one segment, `:name+` the rest, `:name*` the rest or nothing. */
function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const expression = pattern.replace(/:([a-z]+)([+*]?)/g, (_, name: string, rest: '' | '+' | '*') => `(?<${name}>${places[rest]})`)
  const match = new RegExp(`^${expression}$`).exec(path)
  return match === null
    ? undefined
    : Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]))
}
