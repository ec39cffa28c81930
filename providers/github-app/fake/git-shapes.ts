import { blobSha, type Commit, type Files } from './git.ts'
import { api } from './shapes.ts'
import type { FakeRepository } from './state.ts'

const author = { name: 'acme-agents[bot]', email: 'agents@acme.test', date: '2026-11-01T00:00:00Z' }

/** A file or, without content, a folder, as it stands in a listing. */
export function entryOf(repository: FakeRepository, path: string, content: string | undefined): Record<string, unknown> {
  const sha = blobSha(content ?? path)
  const url = `${api}/repos/${repository.fullName}/contents/${path}`
  const page = `https://github.com/${repository.fullName}/blob/main/${path}`
  const git = `${api}/repos/${repository.fullName}/git/${content === undefined ? 'trees' : 'blobs'}/${sha}`
  return {
    type: content === undefined ? 'dir' : 'file',
    name: path.split('/').at(-1),
    path,
    sha,
    size: content === undefined ? 0 : Buffer.byteLength(content),
    url,
    git_url: git,
    html_url: page,
    download_url: content === undefined ? null : `https://raw.githubusercontent.com/${repository.fullName}/main/${path}`,
    _links: { self: url, git, html: page },
  }
}

export function fileOf(repository: FakeRepository, path: string, content: string): Record<string, unknown> {
  return { ...entryOf(repository, path, content), encoding: 'base64', content: Buffer.from(content).toString('base64') }
}

export function treeOf(repository: FakeRepository, sha: string, files: Files): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/git`
  const tree = Object.entries(files).map(([path, content]) => {
    const blob = blobSha(content)
    return { path, mode: '100644', type: 'blob', size: Buffer.byteLength(content), sha: blob, url: `${url}/blobs/${blob}` }
  })
  return { sha, url: `${url}/trees/${sha}`, tree, truncated: false }
}

/** A commit of git, as the endpoints under `/git` show it. */
export function gitCommitOf(repository: FakeRepository, commit: Commit): Record<string, unknown> {
  const { sha, message, tree, parents } = commit
  const url = `${api}/repos/${repository.fullName}/git`
  const page = `https://github.com/${repository.fullName}/commit`
  return {
    sha,
    node_id: `C_${sha}`,
    url: `${url}/commits/${sha}`,
    html_url: `${page}/${sha}`,
    author,
    committer: author,
    message,
    tree: { sha: tree, url: `${url}/trees/${tree}` },
    parents: parents.map((parent) => ({ sha: parent, url: `${url}/commits/${parent}`, html_url: `${page}/${parent}` })),
  }
}

/** A commit with what GitHub knows of it beside. */
export function commitOf(repository: FakeRepository, commit: Commit): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/commits/${commit.sha}`
  const page = `https://github.com/${repository.fullName}/commit/${commit.sha}`
  const shown = { ...gitCommitOf(repository, commit), comment_count: 0 }
  return { sha: commit.sha, node_id: `C_${commit.sha}`, commit: shown, url, html_url: page, comments_url: `${url}/comments` }
}

export function referenceOf(repository: FakeRepository, branch: string, sha: string): Record<string, unknown> {
  const url = `${api}/repos/${repository.fullName}/git`
  return {
    ref: `refs/heads/${branch}`,
    node_id: `REF_${branch}`,
    url: `${url}/refs/heads/${branch}`,
    object: { sha, type: 'commit', url: `${url}/commits/${sha}` },
  }
}
