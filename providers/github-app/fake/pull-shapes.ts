import { blobSha, type Git } from './git.ts'
import { api, repositoryOf, userOf } from './shapes.ts'
import type { FakeRepository } from './state.ts'

export interface Pull {
  readonly number: number
  readonly title: string
  readonly body: string
  /** Names of branches of the same repository. */
  readonly head: string
  readonly base: string
  /** Sha of the commit that merged it. */
  readonly merged?: string
  readonly reviews: readonly Review[]
}

export interface Review {
  readonly id: number
  readonly body: string
  readonly event: 'APPROVE' | 'REQUEST_CHANGES' | 'COMMENT'
  readonly comments: readonly { readonly path: string; readonly body: string }[]
}

const time = '2026-11-01T00:00:00Z'
const states = { APPROVE: 'APPROVED', REQUEST_CHANGES: 'CHANGES_REQUESTED', COMMENT: 'COMMENTED' } as const

export function pullOf(repository: FakeRepository, pull: Pull, git: Git): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/pulls/${pull.number}`
  const page = pageOf(repository, pull)
  const merged = pull.merged === undefined ? null : time
  return {
    url,
    id: repository.id * 1000 + pull.number,
    node_id: `PR_${repository.id}_${pull.number}`,
    html_url: page,
    diff_url: `${page}.diff`,
    patch_url: `${page}.patch`,
    issue_url: `${api}/repos/${repository.fullName}/issues/${pull.number}`,
    number: pull.number,
    state: merged === null ? 'open' : 'closed',
    locked: false,
    title: pull.title,
    user: userOf('acme-agents[bot]'),
    body: pull.body,
    created_at: time,
    updated_at: time,
    closed_at: merged,
    merged_at: merged,
    merge_commit_sha: pull.merged ?? null,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    labels: [],
    head: branchOf(repository, pull.head, git),
    base: branchOf(repository, pull.base, git),
  }
}

export function reviewOf(repository: FakeRepository, pull: Pull, git: Git, { id, body, event }: Review): Record<string, unknown> {
  return {
    id,
    node_id: `PRR_${id}`,
    user: userOf('acme-agents[bot]'),
    body,
    state: states[event],
    html_url: `${pageOf(repository, pull)}#pullrequestreview-${id}`,
    pull_request_url: `${api}/repos/${repository.fullName}/pulls/${pull.number}`,
    commit_id: git.branches.get(pull.head),
    submitted_at: time,
    author_association: 'NONE',
  }
}

export function reviewCommentOf(
  repository: FakeRepository,
  pull: Pull,
  git: Git,
  review: number,
  { path, body }: Review['comments'][number],
): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/pulls/comments/${review}`
  const page = `${pageOf(repository, pull)}#discussion_r${review}`
  const whole = `${api}/repos/${repository.fullName}/pulls/${pull.number}`
  const sha = git.branches.get(pull.head)
  return {
    url,
    id: review,
    node_id: `PRRC_${review}`,
    pull_request_review_id: review,
    diff_hunk: '@@ -1 +1 @@',
    path,
    position: 1,
    original_position: 1,
    commit_id: sha,
    original_commit_id: sha,
    user: userOf('acme-agents[bot]'),
    body,
    created_at: time,
    updated_at: time,
    html_url: page,
    pull_request_url: whole,
    author_association: 'NONE',
    _links: { self: { href: url }, html: { href: page }, pull_request: { href: whole } },
  }
}

export function changedFileOf(
  repository: FakeRepository,
  path: string,
  content: string,
  before: string | undefined,
): Record<string, unknown> {
  const additions = content.split('\n').length
  const deletions = before?.split('\n').length ?? 0
  const page = `https://github.com/${repository.fullName}`
  return {
    sha: blobSha(content),
    filename: path,
    status: before === undefined ? 'added' : 'modified',
    additions,
    deletions,
    changes: additions + deletions,
    blob_url: `${page}/blob/main/${path}`,
    raw_url: `${page}/raw/main/${path}`,
    contents_url: `${api}/repos/${repository.fullName}/contents/${path}`,
    patch: '@@ -1 +1 @@',
  }
}

export function statusOf(repository: FakeRepository, sha: string): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/statuses/${sha}`
  const check = { url, state: 'success', description: null, target_url: null, context: 'build', created_at: time, updated_at: time }
  return { state: 'success', statuses: [check], sha, total_count: 1 }
}

function branchOf(repository: FakeRepository, branch: string, git: Git): Record<string, unknown> {
  const owner = repository.fullName.split('/')[0] ?? ''
  return { label: `${owner}:${branch}`, ref: branch, sha: git.branches.get(branch), user: userOf(owner), repo: repositoryOf(repository) }
}

function pageOf(repository: FakeRepository, { number }: Pull): string {
  return `https://github.com/${repository.fullName}/pull/${number}`
}
