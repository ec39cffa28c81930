import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { JitError, quote } from '../core/errors.ts'
import { findCommand } from './find-command.ts'
import { hashUnchanged } from './folder-hash.ts'
import {
  type InstallerFailure,
  type InstallerRun,
  type InstallerWords,
  runInstaller,
  type PackageContent,
  type PackageSource,
} from './package-source.ts'
import { normalName, type UvxRequest, uvxText } from './uvx.ts'

/** Folder of the virtual environment in the package's folder. */
const environmentFolder = 'env'
/**
 * Python would keep byte code beside its sources, where it counts as no file of the package, and would believe what it finds
 * there. It neither writes nor looks for any; nor do Pythons that the server starts.
 */
const environment = { PYTHONDONTWRITEBYTECODE: '1', PYTHONPYCACHEPREFIX: '/dev/null' }
const resolveOptions = [
  '--quiet',
  '--generate-hashes',
  '--no-build',
  // What uv remembers of an index is minutes old, and an update asks for what is there now.
  '--refresh',
]
const installOptions = [
  '--quiet',
  '--verify-hashes',
  '--no-deps',
  // A source distribution is built by running it.
  '--no-build',
  // A link to uv's cache would change with it.
  '--link-mode=copy',
]
/** Not run by a server, and other ones with another version of uv. */
const uvOwn = /^(activate|deactivate|pydoc)([._].*)?$/

/** A package of PyPI in a virtual environment of its own, pinned by all that stands there. `uv` is a command or a path. */
export function uvPackage(request: UvxRequest, uv: string): PackageSource {
  const spec = uvxText(request)
  return {
    spec,
    name: request.name,
    install: (place, registry) => install({ place, registry }, request, findCommand(uv)),
    read: (place) => read(place, request),
    start(place, entry) {
      const [kind = '', file = ''] = entry.split(' ')
      const script = join(place, environmentFolder, 'bin', file)
      const python = join(place, environmentFolder, 'bin/python')
      return kind === 'python' ? { command: python, args: [script], environment } : { command: script, args: [], environment }
    },
  }
}

async function install({ place, registry }: Pick<InstallerRun, 'place' | 'registry'>, request: UvxRequest, uv: string): Promise<void> {
  const run = (args: readonly string[]): Promise<void> =>
    runInstaller({
      tool: 'uv',
      command: uv,
      args,
      place,
      registry,
      spec: uvxText(request),
      authority: '`system-certs = true` in ~/.config/uv/uv.toml, once the system trusts it',
      read: lastWords,
    })
  // uv takes the settings of the nearest folder above: a project's must not decide, the user's own still do.
  await writeFile(join(place, 'uv.toml'), '')
  const folder = join(place, environmentFolder)
  // The folder is renamed when all is there, and its name would otherwise stand in its files.
  await run(['venv', '--quiet', '--no-project', '--relocatable', '--prompt', 'jit', '--python', request.python ?? 'default', folder])
  // In two steps: older versions of uv hold a wheel against its hash only when the hash stands in a file.
  const [wanted, resolved] = [join(place, 'requirements.in'), join(place, 'requirements.txt')]
  await writeFile(wanted, [request.requirement, ...request.others, ''].join('\n'))
  await run(['pip', 'compile', ...resolveOptions, '--python', join(folder, 'bin/python'), '--output-file', resolved, wanted])
  await run(['pip', 'install', ...installOptions, '--python', folder, '--requirement', resolved])
  await removeTraces(folder)
}

/** What tells one installation of the same files from another. */
async function removeTraces(folder: string): Promise<void> {
  for (const name of ['.lock', '.gitignore', 'CACHEDIR.TAG']) await rm(join(folder, name), { force: true })
  for (const name of await readdir(join(folder, 'bin'))) if (uvOwn.test(name)) await rm(join(folder, 'bin', name), { force: true })
  const file = join(folder, 'pyvenv.cfg')
  await writeFile(file, (await readFile(file, 'utf8')).replace(/^uv *=.*\n/m, ''))
}

async function read(place: string, request: UvxRequest): Promise<PackageContent> {
  const folder = join(place, environmentFolder)
  const versions = await installedVersions(folder)
  const version = versions.get(request.name)
  if (version === undefined) throw new JitError('server.start', `the installed package ${quote(request.name)} is not there`)
  await stat(join(folder, 'bin/python')).catch((error: unknown) => {
    throw new JitError('server.start', `the Python of ${quote(uvxText(request))} is gone`, {
      cause: error,
      hint: 'Install that Python again, or `jit update` the server so that it gets another one.',
    })
  })
  const kind = await scriptKind(folder, request)
  const others = request.others.map((other) => normalName(/^[A-Za-z0-9._-]+/.exec(other)?.[0] ?? ''))
  const more = others.map((name) => ` +${name}@${versions.get(name) ?? ''}`).join('')
  const hash = await hashUnchanged(folder, 'uv', (name) => name === '__pycache__')
  return { version, entry: `${kind} ${request.command}`, pin: `pypi:${request.name}@${version}${more} sha256:${hash}` }
}

/** Name, as PyPI compares names, → version of all that is installed. */
async function installedVersions(folder: string): Promise<ReadonlyMap<string, string>> {
  const versions = new Map<string, string>()
  for (const python of await readdir(join(folder, 'lib'))) {
    if (/^python(2|3\.[0-7]$)/.test(python))
      throw new JitError('server.start', `${python} is too old: it runs byte code that the pin does not cover`, {
        hint: 'Ask for a newer one: `uvx --python 3.12 …`.',
      })
    for (const entry of await readdir(join(folder, 'lib', python, 'site-packages'))) {
      const [, name, version] = /^(.+)-([^-]+)\.dist-info$/.exec(entry) ?? []
      if (name !== undefined && version !== undefined) versions.set(normalName(name), version)
    }
  }
  return versions
}

/** A console script is run by the environment's Python, past the shell that its first line names; a binary runs itself. */
async function scriptKind(folder: string, request: UvxRequest): Promise<'python' | 'binary'> {
  const scripts = (await readdir(join(folder, 'bin'), { withFileTypes: true })).filter((entry) => entry.isFile())
  if (!scripts.some(({ name }) => name === request.command)) {
    const names = scripts.map(({ name }) => name).join(', ')
    throw new JitError('server.start', `the package ${quote(request.name)} has no command ${quote(request.command)}`, {
      hint: names === '' ? 'It has no commands at all.' : `It has ${names}: \`uvx --from ${request.requirement} COMMAND\`.`,
    })
  }
  const file = await open(join(folder, 'bin', request.command))
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256)
    const head = buffer.toString('latin1', 0, bytesRead)
    return /^#!([^\n]*python|\/bin\/sh\n'''exec')/.test(head) ? 'python' : 'binary'
  } finally {
    await file.close()
  }
}

/** uv's first error and the deepest reason for it. */
function lastWords(stderr: string): InstallerWords {
  const error = /^(?:error:| *×) *(.+)$/m.exec(stderr)?.[1] ?? ''
  const cause = [...stderr.matchAll(/^ *(?:cause:|Caused by:|╰─▶) *(.+)$/gim)].at(-1)?.[1] ?? ''
  const said = [error, cause].filter((text) => text !== '').join(': ')
  return { said: said === '' ? '' : quote(said, 240), failure: failureOf(stderr) }
}

function failureOf(stderr: string): InstallerFailure {
  if (/hash mismatch/i.test(stderr)) return 'broken'
  if (/invalid peer certificate/i.test(stderr)) return 'untrusted'
  return /client error \(Connect\)|dns error|timed out/i.test(stderr) ? 'unreached' : 'other'
}
