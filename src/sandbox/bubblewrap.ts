import type { Mount } from './types.ts'

export interface BubblewrapPlan {
  readonly mounts: readonly Mount[]
  readonly cwd: string
  /** The machine's own network instead of an empty one. */
  readonly sharesNetwork: boolean
  /** What the first program may do in the box's own network: listen on ports below 1024. */
  readonly lowPorts: boolean
  /** Numbers inside, where those outside would be root's. */
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly command: readonly string[]
}

/** All namespaces, no capability, a session of its own, and the end of its parent is its end. */
const fixed =
  '--unshare-user --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try --die-with-parent --new-session --hostname jit --cap-drop ALL'.split(
    ' ',
  )

/**
 * Arguments of `bwrap` for a plan. Outer folders come before inner ones, so that the inner one is what is seen. Holds no
 * environment: that stands in no command line.
 */
export function bubblewrapArguments({ mounts, cwd, sharesNetwork, lowPorts, user, command }: BubblewrapPlan): string[] {
  const ordered = mounts.map((mount) => ({ mount, depth: mount.target.split('/').length })).sort((a, b) => a.depth - b.depth)
  return [
    ...fixed,
    ...(sharesNetwork ? [] : ['--unshare-net']),
    ...(lowPorts ? ['--cap-add', 'CAP_NET_BIND_SERVICE'] : []),
    ...(user === undefined ? [] : ['--uid', String(user.uid), '--gid', String(user.gid)]),
    ...ordered.flatMap(({ mount }) => argumentsOf(mount)),
    // Folders that only lead to others: nothing is to be left there.
    '--remount-ro',
    '/',
    '--chdir',
    cwd,
    '--',
    ...command,
  ]
}

function argumentsOf(mount: Mount): string[] {
  switch (mount.kind) {
    case 'read':
      return ['--ro-bind', mount.source, mount.target]
    case 'write':
      return ['--bind', mount.source, mount.target]
    case 'device':
      return ['--dev-bind', mount.source, mount.target]
    case 'link':
      return ['--symlink', mount.text, mount.target]
    case 'empty':
      return ['--tmpfs', mount.target]
    case 'folder':
      return ['--dir', mount.target]
    case 'processes':
      return ['--proc', mount.target]
  }
}
