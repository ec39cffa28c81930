import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { JitError, quote } from '../core/errors.ts'
import { findCommand } from './find-command.ts'
import { hashUnchanged } from './folder-hash.ts'
import { type InstallerFailure, type InstallerWords, runInstaller, type PackageContent, type PackageSource } from './package-source.ts'

const npmOptions = [
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  // A line for each answer of a registry.
  '--loglevel=http',
  '--heading=npm',
  '--no-color',
  '--save-exact',
  // What npm remembers of a registry is up to five minutes old, and an update asks for what is there now.
  '--prefer-online',
  // npm would spend minutes on a tarball that is not the one promised.
  '--fetch-retries=2',
  '--fetch-retry-mintimeout=500',
  '--fetch-retry-maxtimeout=2000',
]
/** A certificate that npm does not trust: it asks three times for each package, and then takes what it remembers of it. */
const untrusted = /^npm http fetch ([A-Z]+ \S+) attempt \d+ failed with (\w*CERT\w*|UNABLE_TO_(?:GET|VERIFY)\w*)$/m
const manifest = z.object({ version: z.string(), bin: z.union([z.string(), z.record(z.string(), z.string())]).optional() })
const lockFile = z.object({ packages: z.record(z.string(), z.looseObject({ integrity: z.string().optional() })) })

/**
 * A package of npm, pinned by the integrity of its tarball, by every file of it and of all it needs, and by its lock, which
 * names the integrity of these. Throws `server.start` for what is not a package of a registry.
 */
export function npmPackage(spec: string): PackageSource {
  const name = packageOf(spec)
  return {
    spec,
    name,
    install: (place, registry) => install(place, spec, registry),
    read: (place) => read(place, name, spec),
    // The daemon's own Node: PATH decides nothing.
    start: (place, entry) => ({ command: process.execPath, args: [join(place, entry)], environment: {} }),
  }
}

/** `@scope/name@version` → `@scope/name`. */
function packageOf(spec: string): string {
  if (!/^(@[a-z0-9._~-]+\/)?[a-z0-9_~-][a-z0-9._~-]*(@[A-Za-z0-9.^~_-]+)?$/.test(spec))
    throw new JitError('server.start', `npx needs the name of a package, not ${quote(spec)}`)
  return spec.replace(/(?<=.)@[^@/]*$/, '')
}

async function install(place: string, spec: string, registry: Readonly<Record<string, string>>): Promise<void> {
  const command = findCommand('npm')
  // A name of its own would stand in the lock, and so in the pin.
  await writeFile(join(place, 'package.json'), '{"name":"jit-server","private":true}\n')
  await runInstaller({
    tool: 'npm',
    command,
    args: ['install', ...npmOptions, '--prefix', place, spec],
    place,
    registry,
    spec,
    authority: '`npm config set cafile FILE`',
    answered: /^npm http fetch [A-Z]+ \d{3} /m,
    hopeless: untrusted,
    read: lastWords,
  })
}

async function read(place: string, name: string, spec: string): Promise<PackageContent> {
  const home = join('node_modules', name)
  const { version, bin } = manifest.parse(JSON.parse(await readFile(join(place, home, 'package.json'), 'utf8')))
  const file = typeof bin === 'string' ? bin : (bin?.[name.replace(/^@[^/]*\//, '')] ?? Object.values(bin ?? {})[0])
  if (file === undefined) throw new JitError('server.start', `the package ${quote(spec)} has no command`)
  const lock = await readFile(join(place, 'package-lock.json'), 'utf8')
  const integrity = lockFile.parse(JSON.parse(lock)).packages[`node_modules/${name}`]?.integrity ?? ''
  const entry = join(home, file)
  const content = createHash('sha256')
    .update(await hashUnchanged(join(place, 'node_modules'), 'npm', () => false))
    .update(lock)
    .digest('hex')
  return { version, entry, pin: `npm:${name}@${version} ${integrity} sha256:${content}` }
}

/** npm's own code and first line about a failure. */
function lastWords(stderr: string): InstallerWords {
  const [, request = '', refused] = untrusted.exec(stderr) ?? []
  if (refused !== undefined) return { said: `${refused} ${quote(request, 240)}`, failure: 'untrusted' }
  const code = /^npm (?:error|ERR!) code (\w+)$/m.exec(stderr)?.[1] ?? ''
  const said = /^npm (?:error|ERR!) (?!code |errno )(.+)$/m.exec(stderr)?.[1] ?? ''
  return { said: said === '' ? '' : `${code} ${quote(said, 240)}`, failure: failureOf(code) }
}

function failureOf(code: string): InstallerFailure {
  if (code === 'EINTEGRITY') return 'broken'
  return /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|E407)$/.test(code) ? 'unreached' : 'other'
}
