import type { FakeIssue, FakeRepository } from './state.ts'

export const api = 'https://api.github.com'

/** GitHub's shapes, with the fields that clients check. */
export function userOf(login: string): Record<string, unknown> {
  return {
    login,
    id: login.length,
    node_id: `U_${login}`,
    avatar_url: `https://avatars.githubusercontent.com/${login}`,
    url: `${api}/users/${login}`,
    html_url: `https://github.com/${login}`,
    type: 'User',
  }
}

export function repositoryOf(repository: FakeRepository): Record<string, unknown> {
  const [owner = '', name = ''] = repository.fullName.split('/')
  return {
    id: repository.id,
    node_id: `R_${repository.id}`,
    name,
    full_name: repository.fullName,
    private: name === 'secret',
    owner: userOf(owner),
    html_url: `https://github.com/${repository.fullName}`,
    description: null,
    fork: false,
    url: `${api}/repos/${repository.fullName}`,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    pushed_at: '2026-01-01T00:00:00Z',
    git_url: '',
    ssh_url: '',
    clone_url: '',
    default_branch: 'main',
  }
}

export function issueOf(repository: FakeRepository, issue: FakeIssue): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/issues/${issue.number}`
  return {
    url,
    repository_url: `${api}/repos/${repository.fullName}`,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    html_url: `https://github.com/${repository.fullName}/issues/${issue.number}`,
    id: repository.id * 1000 + issue.number,
    node_id: `I_${repository.id}_${issue.number}`,
    number: issue.number,
    title: issue.title,
    user: userOf('someone'),
    labels: (issue.labels ?? []).map((name, index) => labelOf(repository, name, index)),
    state: issue.state ?? 'open',
    locked: false,
    assignee: null,
    assignees: [],
    milestone: null,
    comments: issue.comments?.length ?? 0,
    created_at: '2026-11-01T00:00:00Z',
    updated_at: '2026-11-01T00:00:00Z',
    closed_at: issue.state === 'closed' ? '2026-11-02T00:00:00Z' : null,
    body: issue.body,
  }
}

export function labelOf(repository: FakeRepository, name: string, index: number): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/labels/${encodeURIComponent(name)}`
  return { id: index + 1, node_id: `L_${index}`, url, name, color: 'ededed', default: false, description: null }
}
