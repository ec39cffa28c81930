import { z } from 'zod'
import { type Answer, type Asked, found, invalid, notFound, on, paged, type Route } from './answers.ts'
import { type Files, type Git, gitOf } from './git.ts'
import { changedFileOf, type Pull, pullOf, type Review, reviewCommentOf, reviewOf, statusOf } from './pull-shapes.ts'
import type { FakeRepository } from './state.ts'

const newPull = z.object({ title: z.string(), body: z.string().default(''), head: z.string(), base: z.string() })
const newReview = z.object({
  body: z.string().default(''),
  event: z.enum(['APPROVE', 'REQUEST_CHANGES', 'COMMENT']),
  comments: z.array(z.object({ path: z.string(), body: z.string() })).default([]),
})
const merge = z.object({ commit_title: z.string().optional() })
const all = new WeakMap<FakeRepository, Pull[]>()
const one = '/repos/:owner/:repo/pulls/:number'

/** Pull requests and the state of commits. */
export const pullRoutes: readonly Route[] = [
  ['GET', '/repos/:owner/:repo/pulls', on({ pull_requests: 'read' }, listPulls)],
  ['POST', '/repos/:owner/:repo/pulls', on({ pull_requests: 'write' }, createPull)],
  [
    'GET',
    one,
    on(
      { pull_requests: 'read' },
      withPull((repository, pull) => ({ status: 200, body: pullOf(repository, pull, gitOf(repository)) })),
    ),
  ],
  ['GET', `${one}/files`, on({ pull_requests: 'read' }, withPull(listFiles))],
  [
    'GET',
    `${one}/comments`,
    on(
      { pull_requests: 'read' },
      withPull((repository, pull) => ({
        status: 200,
        body: pull.reviews.flatMap((review) =>
          review.comments.map((comment) => reviewCommentOf(repository, pull, gitOf(repository), review.id, comment)),
        ),
      })),
    ),
  ],
  [
    'GET',
    `${one}/reviews`,
    on(
      { pull_requests: 'read' },
      withPull((repository, pull) => ({
        status: 200,
        body: pull.reviews.map((review) => reviewOf(repository, pull, gitOf(repository), review)),
      })),
    ),
  ],
  ['POST', `${one}/reviews`, on({ pull_requests: 'write' }, withPull(addReview))],
  ['PUT', `${one}/merge`, on({ contents: 'write' }, withPull(mergePull))],
  ['PUT', `${one}/update-branch`, on({ pull_requests: 'write' }, withPull(updateBranch))],
  [
    'GET',
    '/repos/:owner/:repo/commits/:sha/status',
    on({ statuses: 'read' }, (repository, { match }) =>
      found(gitOf(repository).resolve(match['sha'] ?? ''), ({ sha }) => statusOf(repository, sha)),
    ),
  ],
]

function pullsOf(repository: FakeRepository): Pull[] {
  const known = all.get(repository) ?? []
  all.set(repository, known)
  return known
}

function withPull(
  handle: (repository: FakeRepository, pull: Pull, asked: Asked) => Answer,
): (repository: FakeRepository, asked: Asked) => Answer {
  return (repository, asked) => {
    const pull = pullsOf(repository).find(({ number }) => String(number) === asked.match['number'])
    return pull === undefined ? notFound : handle(repository, pull, asked)
  }
}

function listPulls(repository: FakeRepository, { query }: Asked): Answer {
  const state = query.get('state') ?? 'open'
  const base = query.get('base')
  const fitting = pullsOf(repository).filter(
    (pull) => (state === 'all' || (state === 'open') === (pull.merged === undefined)) && (base === null || base === pull.base),
  )
  return { status: 200, body: paged(fitting, query).map((pull) => pullOf(repository, pull, gitOf(repository))) }
}

function createPull(repository: FakeRepository, { body }: Asked): Answer {
  const asked = newPull.safeParse(body)
  const git = gitOf(repository)
  if (!asked.success || !git.branches.has(asked.data.head) || !git.branches.has(asked.data.base)) return invalid()
  const pulls = pullsOf(repository)
  // Pull requests and issues are numbered together.
  const number = Math.max(0, ...repository.issues.map((issue) => issue.number), ...pulls.map((pull) => pull.number)) + 1
  const pull: Pull = { ...asked.data, number, reviews: [] }
  pulls.push(pull)
  return { status: 201, body: pullOf(repository, pull, git) }
}

function listFiles(repository: FakeRepository, pull: Pull, { query }: Asked): Answer {
  const git = gitOf(repository)
  const before = filesOf(git, pull.base)
  const changed = Object.entries(filesOf(git, pull.head)).filter(([path, content]) => before[path] !== content)
  return { status: 200, body: paged(changed, query).map(([path, content]) => changedFileOf(repository, path, content, before[path])) }
}

function addReview(repository: FakeRepository, pull: Pull, { body }: Asked): Answer {
  const asked = newReview.safeParse(body)
  if (!asked.success) return invalid()
  const review: Review = { id: pull.reviews.length + 1, ...asked.data }
  const changed = replace(repository, pull, { reviews: [...pull.reviews, review] })
  return { status: 200, body: reviewOf(repository, changed, gitOf(repository), review) }
}

function mergePull(repository: FakeRepository, pull: Pull, { body }: Asked): Answer {
  const asked = merge.safeParse(body)
  if (!asked.success) return invalid()
  if (pull.merged !== undefined) return { status: 405, body: { message: 'Pull Request is not mergeable' } }
  const sha = mergeInto(gitOf(repository), pull.base, pull.head, asked.data.commit_title ?? `Merge pull request #${pull.number}`)
  replace(repository, pull, { merged: sha })
  return { status: 200, body: { sha, merged: true, message: 'Pull Request successfully merged' } }
}

function updateBranch(repository: FakeRepository, pull: Pull): Answer {
  mergeInto(gitOf(repository), pull.head, pull.base, `Merge branch '${pull.base}' into ${pull.head}`)
  return {
    status: 202,
    body: { message: 'Updating pull request branch.', url: `https://github.com/${repository.fullName}/pull/${pull.number}` },
  }
}

/** What both have changed is taken from the branch that is merged. */
function mergeInto(git: Git, into: string, from: string, message: string): string {
  const tree = git.addTree({ ...filesOf(git, into), ...filesOf(git, from) })
  const parents = [into, from].flatMap((branch) => git.branches.get(branch) ?? [])
  const { sha } = git.addCommit(message, tree, parents)
  git.branches.set(into, sha)
  return sha
}

function filesOf(git: Git, branch: string): Files {
  const commit = git.resolve(branch)
  return commit === undefined ? {} : git.files(commit)
}

function replace(repository: FakeRepository, pull: Pull, changes: Partial<Pull>): Pull {
  const pulls = pullsOf(repository)
  const changed = { ...pull, ...changes }
  pulls[pulls.indexOf(pull)] = changed
  return changed
}
