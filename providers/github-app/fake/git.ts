import { createHash } from 'node:crypto'
import type { FakeRepository } from './state.ts'

/** Path → content. */
export type Files = Readonly<Record<string, string>>

export interface Commit {
  readonly sha: string
  readonly message: string
  readonly tree: string
  readonly parents: readonly string[]
}

/** As much of git as the API shows: trees as flat lists of files, commits, branches. */
export interface Git {
  readonly branches: Map<string, string>
  readonly commits: Map<string, Commit>
  readonly trees: Map<string, Files>
  addTree(files: Files): string
  addCommit(message: string, tree: string, parents: readonly string[]): Commit
  /** The commit that a branch or a sha names. */
  resolve(reference: string): Commit | undefined
  files(commit: Commit): Files
  /** First parents, newest first. */
  history(commit: Commit): Commit[]
}

const all = new WeakMap<FakeRepository, Git>()

/** The repository's git data; at the start, one commit on main with the files that the test gave. */
export function gitOf(repository: FakeRepository): Git {
  const known = all.get(repository)
  if (known !== undefined) return known
  const git = createGit()
  git.branches.set('main', git.addCommit('Initial commit', git.addTree(repository.files), []).sha)
  all.set(repository, git)
  return git
}

export function blobSha(content: string): string {
  return sha('blob', content)
}

function createGit(): Git {
  const branches = new Map<string, string>()
  const commits = new Map<string, Commit>()
  const trees = new Map<string, Files>()
  return {
    branches,
    commits,
    trees,
    addTree(files) {
      const name = sha('tree', files)
      trees.set(name, files)
      return name
    },
    addCommit(message, tree, parents) {
      const commit = { sha: sha('commit', [message, tree, parents, commits.size]), message, tree, parents }
      commits.set(commit.sha, commit)
      return commit
    },
    resolve: (reference) => commits.get(branches.get(reference) ?? reference),
    files: (commit) => trees.get(commit.tree) ?? {},
    history(commit) {
      const line: Commit[] = []
      for (let next: Commit | undefined = commit; next !== undefined; next = commits.get(next.parents[0] ?? '')) line.push(next)
      return line
    },
  }
}

function sha(kind: string, value: unknown): string {
  return createHash('sha1')
    .update(JSON.stringify([kind, value]))
    .digest('hex')
}
