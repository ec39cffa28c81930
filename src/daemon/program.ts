import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { JitError, quote } from '../core/errors.ts'
import { readRegular } from '../core/regular-file.ts'
import { findCommand } from './find-command.ts'
import { npmPackage } from './npm-package.ts'
import type { PackageSource } from './package-source.ts'
import { uvPackage } from './uv-package.ts'
import { readUvx } from './uvx.ts'

/** What a local server's command means: a package of npm or PyPI that jit installs, or a program that is there. */
export type Program =
  | { readonly kind: 'package'; readonly source: PackageSource; readonly args: readonly string[] }
  | { readonly kind: 'file'; readonly command: string; readonly args: readonly string[]; readonly pin: string }

/** Programs that fetch or run something else, which their own hash does not name. */
const runners = new Set(
  'uv pipx pip bunx bun pnpm pnpx yarn npm deno docker podman python python3 ruby java bash sh zsh env go cargo dotnet'.split(' '),
)
const npxFlags = new Set(['-y', '--yes', '-q', '--quiet'])

/** Throws `server.start`. Relative paths count from `baseFolder`. */
export function readProgram(run: readonly string[], baseFolder: string): Program {
  const [command = '', ...args] = run
  switch (basename(command)) {
    case 'npx':
      return readNpx(args)
    case 'node':
      return readNode(args, baseFolder)
    case 'uvx':
      return readUv(command, args)
    case 'uv':
      if (args[0] === 'tool' && args[1] === 'run') return readUv(command, args.slice(2))
      return readFileProgram(command, args)
    default:
      return readFileProgram(command, args)
  }
}

function readFileProgram(command: string, args: readonly string[]): Program {
  const file = findCommand(command)
  const name = basename(command)
  // Said wherever the pin is shown: what a runner runs may be another program tomorrow.
  const limit = runners.has(name) ? ` (of ${name} alone: what it runs is not pinned)` : ''
  return { kind: 'file', command: file, args, pin: `sha256:${hashFile(file)}${limit}` }
}

/** `uvx PACKAGE …`. The `uv` that installs it is the one beside the `uvx` that was named by its path. */
function readUv(command: string, given: readonly string[]): Program {
  const { request, args } = readUvx(given)
  return { kind: 'package', source: uvPackage(request, command.includes('/') ? resolve(dirname(command), 'uv') : 'uv'), args }
}

/** `npx -y PACKAGE …` */
function readNpx(args: readonly string[]): Program {
  const index = args.findIndex((arg) => !npxFlags.has(arg))
  const spec = args[index]
  if (spec === undefined) throw new JitError('server.start', '`npx` without a package')
  if (spec.startsWith('-'))
    throw new JitError('server.start', `the option ${quote(spec)} of npx is not supported`, { hint: 'Write `npx -y PACKAGE …`.' })
  return { kind: 'package', source: npmPackage(spec), args: args.slice(index + 1) }
}

/** `node FILE …` runs on the daemon's own Node, and is pinned by the file's content and its package. */
function readNode(args: readonly string[], baseFolder: string): Program {
  const index = args.findIndex((arg) => !arg.startsWith('-'))
  const given = args[index]
  if (given === undefined) throw new JitError('server.start', '`node` without a file')
  const file = isAbsolute(given) ? given : resolve(baseFolder, given)
  const name = packageName(file)
  return {
    kind: 'file',
    command: process.execPath,
    args: args.map((arg, position) => (position === index ? file : arg)),
    pin: `${name === '' ? '' : `npm:${name} `}sha256:${hashFile(file)}`,
  }
}

function hashFile(file: string): string {
  try {
    return createHash('sha256')
      .update(readRegular(file, { follow: true, ofAnyone: true }))
      .digest('hex')
  } catch (error) {
    throw new JitError('server.start', `${file} cannot be read`, { cause: error })
  }
}

function packageName(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (!existsSync(join(folder, 'package.json'))) continue
    const parsed = readPackage(join(folder, 'package.json'))
    if (parsed !== undefined) return parsed
  }
  return ''
}

function readPackage(file: string): string | undefined {
  try {
    const { name, version } = z.object({ name: z.string(), version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8')))
    return `${name}@${version}`
  } catch {
    return undefined
  }
}
