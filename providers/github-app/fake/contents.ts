import { z } from 'zod'
import { type Answer, type Asked, type Caller, forbidden, found, holds, invalid, notFound, on, paged, type Route } from './answers.ts'
import { blobSha, type Commit, type Files, type Git, gitOf } from './git.ts'
import { commitOf, entryOf, fileOf, gitCommitOf, referenceOf, treeOf } from './git-shapes.ts'
import { repositoryOf } from './shapes.ts'
import type { FakeRepository } from './state.ts'

const newFile = z.object({ message: z.string(), content: z.base64(), branch: z.string().default('main'), sha: z.string().optional() })
const newTree = z.object({
  base_tree: z.string().optional(),
  tree: z.array(z.object({ path: z.string().min(1), mode: z.string(), type: z.literal('blob'), content: z.string() })).min(1),
})
const newCommit = z.object({ message: z.string(), tree: z.string(), parents: z.array(z.string()).default([]) })
const newReference = z.object({ ref: z.string().regex(/^refs\/heads\/.+$/), sha: z.string() })
const movedReference = z.object({ sha: z.string(), force: z.boolean().default(false) })

/** Files, commits, branches and forks. */
export const contentRoutes: readonly Route[] = [
  ['GET', '/repos/:owner/:repo/contents/:path*', on({ contents: 'read' }, readContents)],
  ['PUT', '/repos/:owner/:repo/contents/:path+', on({ contents: 'write' }, writeFile)],
  ['GET', '/repos/:owner/:repo/commits', on({ contents: 'read' }, listCommits)],
  // The older of the two names is what npm's server-github asks for.
  ['GET', '/repos/:owner/:repo/git/refs/heads/:branch+', on({ contents: 'read' }, readReference)],
  ['GET', '/repos/:owner/:repo/git/ref/heads/:branch+', on({ contents: 'read' }, readReference)],
  ['POST', '/repos/:owner/:repo/git/refs', on({ contents: 'write' }, createBranch)],
  ['PATCH', '/repos/:owner/:repo/git/refs/heads/:branch+', on({ contents: 'write' }, moveBranch)],
  ['POST', '/repos/:owner/:repo/git/trees', on({ contents: 'write' }, createTree)],
  ['POST', '/repos/:owner/:repo/git/commits', on({ contents: 'write' }, createCommit)],
  ['POST', '/repos/:owner/:repo/forks', on({ administration: 'write', contents: 'read' }, fork)],
]

function readReference(repository: FakeRepository, { match }: Asked): Answer {
  const branch = match['branch'] ?? ''
  return found(gitOf(repository).branches.get(branch), (sha) => referenceOf(repository, branch, sha))
}

function readContents(repository: FakeRepository, { match, query }: Asked): Answer {
  const git = gitOf(repository)
  const commit = git.resolve(query.get('ref') ?? 'main')
  if (commit === undefined) return notFound
  const files = git.files(commit)
  const path = match['path'] ?? ''
  const content = files[path]
  if (content !== undefined) return { status: 200, body: fileOf(repository, path, content) }
  const folder = path === '' ? '' : `${path}/`
  const names = new Set(
    Object.keys(files).flatMap((file) => (file.startsWith(folder) ? [file.slice(folder.length).split('/', 1)[0] ?? ''] : [])),
  )
  if (names.size === 0) return notFound
  return { status: 200, body: [...names].map((name) => entryOf(repository, `${folder}${name}`, files[`${folder}${name}`])) }
}

function writeFile(repository: FakeRepository, { match, body }: Asked, caller: Caller): Answer {
  const asked = newFile.safeParse(body)
  if (!asked.success) return invalid()
  const { message, branch, sha } = asked.data
  const git = gitOf(repository)
  const head = git.commits.get(git.branches.get(branch) ?? '')
  if (head === undefined) return notFound
  const path = match['path'] ?? ''
  if (!mayWrite([path], caller)) return forbidden
  const before = git.files(head)[path]
  if (before !== undefined && sha === undefined) return invalid('Invalid request.\n\n"sha" wasn\'t supplied.')
  if (before !== undefined && sha !== blobSha(before)) return { status: 409, body: { message: `${path} does not match ${sha}` } }
  const content = Buffer.from(asked.data.content, 'base64').toString('utf8')
  const commit = commitOn(git, branch, head, message, { ...git.files(head), [path]: content })
  return {
    status: before === undefined ? 201 : 200,
    body: { content: entryOf(repository, path, content), commit: gitCommitOf(repository, commit) },
  }
}

function listCommits(repository: FakeRepository, { query }: Asked): Answer {
  const git = gitOf(repository)
  return found(git.resolve(query.get('sha') ?? 'main'), (head) =>
    paged(git.history(head), query).map((commit) => commitOf(repository, commit)),
  )
}

function createBranch(repository: FakeRepository, { body }: Asked): Answer {
  const asked = newReference.safeParse(body)
  const git = gitOf(repository)
  if (!asked.success || !git.commits.has(asked.data.sha)) return invalid('Object does not exist')
  const branch = asked.data.ref.slice('refs/heads/'.length)
  if (git.branches.has(branch)) return invalid('Reference already exists')
  git.branches.set(branch, asked.data.sha)
  return { status: 201, body: referenceOf(repository, branch, asked.data.sha) }
}

function moveBranch(repository: FakeRepository, { match, body }: Asked): Answer {
  const asked = movedReference.safeParse(body)
  const git = gitOf(repository)
  const branch = match['branch'] ?? ''
  const before = git.branches.get(branch)
  const next = asked.success ? git.commits.get(asked.data.sha) : undefined
  if (!asked.success || next === undefined) return invalid('Object does not exist')
  if (before === undefined) return invalid('Reference does not exist')
  if (!asked.data.force && !git.history(next).some(({ sha }) => sha === before)) return invalid('Update is not a fast forward')
  git.branches.set(branch, next.sha)
  return { status: 200, body: referenceOf(repository, branch, next.sha) }
}

function createTree(repository: FakeRepository, { body }: Asked, caller: Caller): Answer {
  const asked = newTree.safeParse(body)
  if (!asked.success) return invalid()
  const git = gitOf(repository)
  const { base_tree: base, tree } = asked.data
  if (
    !mayWrite(
      tree.map(({ path }) => path),
      caller,
    )
  )
    return forbidden
  // A commit's sha stands for its tree.
  const old = base === undefined ? {} : (git.trees.get(base) ?? git.trees.get(git.commits.get(base)?.tree ?? ''))
  if (old === undefined) return invalid('base_tree does not exist')
  const files: Files = { ...old, ...Object.fromEntries(tree.map(({ path, content }) => [path, content])) }
  return { status: 201, body: treeOf(repository, git.addTree(files), files) }
}

function createCommit(repository: FakeRepository, { body }: Asked): Answer {
  const asked = newCommit.safeParse(body)
  const git = gitOf(repository)
  if (!asked.success || !git.trees.has(asked.data.tree) || !asked.data.parents.every((sha) => git.commits.has(sha))) return invalid()
  const { message, tree, parents } = asked.data
  return { status: 201, body: gitCommitOf(repository, git.addCommit(message, tree, parents)) }
}

function fork(repository: FakeRepository, { query }: Asked): Answer {
  const owner = query.get('organization') ?? repository.fullName.split('/')[0] ?? ''
  const name = repository.fullName.split('/')[1] ?? ''
  const source = repositoryOf(repository)
  const copy = repositoryOf({ ...repository, id: repository.id + 100_000, fullName: `${owner}/${name}-fork` })
  return { status: 202, body: { ...copy, fork: true, parent: source, source } }
}

/** Workflow files are code that runs with the repository's secrets: they want a permission of their own. */
function mayWrite(paths: readonly string[], { token }: Caller): boolean {
  return paths.every((path) => !path.startsWith('.github/workflows/')) || holds(token, { workflows: 'write' })
}

function commitOn(git: Git, branch: string, head: Commit, message: string, files: Files): Commit {
  const commit = git.addCommit(message, git.addTree(files), [head.sha])
  git.branches.set(branch, commit.sha)
  return commit
}
