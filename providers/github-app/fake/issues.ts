import { z } from 'zod'
import { type Answer, type Asked, found, invalid, notFound, on, paged, type Route } from './answers.ts'
import { issueOf, userOf } from './shapes.ts'
import type { FakeIssue, FakeRepository } from './state.ts'

const newIssue = z.object({ title: z.string(), body: z.string().optional(), labels: z.array(z.string()).optional() })
const changedIssue = newIssue.partial().extend({ state: z.enum(['open', 'closed']).optional() })
const newComment = z.object({ body: z.string().min(1) })

/** Issues. What GitHub also admits under `pull_requests`, for the issue that a pull request is, is not built here. */
export const issueRoutes: readonly Route[] = [
  ['GET', '/repos/:owner/:repo/issues', on({ issues: 'read' }, listIssues)],
  ['POST', '/repos/:owner/:repo/issues', on({ issues: 'write' }, createIssue)],
  [
    'GET',
    '/repos/:owner/:repo/issues/:number',
    on({ issues: 'read' }, (repository, asked) => found(find(repository, asked), (issue) => issueOf(repository, issue))),
  ],
  ['PATCH', '/repos/:owner/:repo/issues/:number', on({ issues: 'write' }, updateIssue)],
  ['POST', '/repos/:owner/:repo/issues/:number/comments', on({ issues: 'write' }, addComment)],
]

function listIssues(repository: FakeRepository, { query }: Asked): Answer {
  const state = query.get('state') ?? 'open'
  const labels = (query.get('labels') ?? '').split(',').filter((label) => label !== '')
  const fitting = repository.issues.filter(
    (issue) => (state === 'all' || state === (issue.state ?? 'open')) && labels.every((label) => issue.labels?.includes(label) === true),
  )
  return { status: 200, body: paged(fitting, query).map((issue) => issueOf(repository, issue)) }
}

function createIssue(repository: FakeRepository, { body }: Asked): Answer {
  const asked = newIssue.safeParse(body)
  if (!asked.success) return invalid()
  const { title, labels = [] } = asked.data
  const number = Math.max(0, ...repository.issues.map((known) => known.number)) + 1
  const issue: FakeIssue = { number, title, body: asked.data.body ?? '', labels }
  repository.issues.push(issue)
  return { status: 201, body: issueOf(repository, issue) }
}

function updateIssue(repository: FakeRepository, asked: Asked): Answer {
  const changes = changedIssue.safeParse(asked.body)
  if (!changes.success) return invalid()
  const { title, body, labels, state } = changes.data
  return change(repository, asked, 200, (issue) => ({
    ...issue,
    title: title ?? issue.title,
    body: body ?? issue.body,
    labels: labels ?? issue.labels ?? [],
    state: state ?? issue.state ?? 'open',
  }))
}

function addComment(repository: FakeRepository, asked: Asked): Answer {
  const comment = newComment.safeParse(asked.body)
  if (!comment.success) return invalid()
  const { body } = comment.data
  const answer = change(repository, asked, 201, (issue) => ({ ...issue, comments: [...(issue.comments ?? []), body] }))
  return answer.status === 201 ? { status: 201, body: { id: 1, body, user: userOf('acme-agents[bot]') } } : answer
}

function change(repository: FakeRepository, asked: Asked, status: number, next: (issue: FakeIssue) => FakeIssue): Answer {
  const issue = find(repository, asked)
  if (issue === undefined) return notFound
  const changed = next(issue)
  repository.issues[repository.issues.indexOf(issue)] = changed
  return { status, body: issueOf(repository, changed) }
}

function find(repository: FakeRepository, { match }: Asked): FakeIssue | undefined {
  return repository.issues.find((issue) => String(issue.number) === match['number'])
}
