import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { follow } from './links.ts'
import type { Program } from './types.ts'

/** Runs the first file among its arguments. */
const interpreters = /^(node|deno|bun|python[0-9.]*|ruby|perl|java|php|bash|sh|dash|zsh)$/
/** Options of Node that name in the next argument what runs before the script. */
const preloads = /^(-r|--require|--import|--loader|--experimental-loader)$/
const deepest = 4
const largestBundle = 1_000_000

/** What may be shown without being declared. */
export interface Manners {
  /** Of what stands beside the program itself, without links; a folder is meant with all in it. */
  mayShow(real: string): boolean
  /** False where some server may write: what it says or where its links lead is a server's choice. */
  trusts(path: string): boolean
}

/**
 * Folders and files that a program needs to run and that its command names: its file, what it is installed in, the interpreter
 * of its first line, what its arguments name, and files that its variables name.
 */
export function pathsOf(program: Program, path: string, { mayShow, trusts }: Manners): string[] {
  const { command, args, cwd, folder } = program
  const found = new Set<string>(folder === undefined ? [] : [folder])
  const realOf = (file: string): string | undefined => {
    const resolved = follow(file)
    return resolved?.links.some(({ at }) => !trusts(at)) === true ? undefined : resolved?.real
  }
  const addIfShown = (file: string): void => {
    const real = realOf(file)
    if (real !== undefined && mayShow(real)) found.add(file)
  }
  const add = (file: string, depth = 0): void => {
    const real = realOf(file)
    if (real === undefined || depth > deepest) return
    found.add(file)
    if (!trusts(real)) return
    for (const home of [...homesOf(file), ...homesOf(real)]) addIfShown(home)
    for (const next of interpreterOf(real, path)) add(next, depth + 1)
  }
  // A single file, which needs nothing of what is installed beside it.
  if (command === process.execPath) found.add(command)
  else if (folder === undefined || !command.startsWith(`${folder}/`)) add(command)
  else for (const next of [...interpreterOf(command, path), ...linked(command)]) add(next, 1)
  const named = args.flatMap((arg) => fileNamed(arg, cwd))
  const script = interpreters.test(basename(command)) ? named[0] : undefined
  for (const file of named) {
    if (file === script) add(file)
    else addIfShown(file)
  }
  for (const file of (program.named ?? []).filter((value) => isAbsolute(value) && isFile(value))) {
    const real = realOf(file)
    // Wherever it stands, beside jit.yaml for one: authorities to trust are no secret.
    if (real !== undefined && (mayShow(real) || holdsCertificates(real))) found.add(file)
  }
  return [...found]
}

/**
 * What runs: the program's file, the script of an interpreter and what that loads before it, the interpreters of their first lines,
 * the packages that they stand in or beside, and an installed package as a whole. Each is read only once the one before was taken.
 */
export function* codeOf({ command, args, cwd, folder }: Program, path: string): Generator<string> {
  if (folder !== undefined) yield folder
  for (const file of folder === undefined ? [command, ...scriptsOf(command, args, cwd)] : [command]) {
    yield* withInterpreters(file, path)
    if (folder === undefined) yield* homesOf(file)
  }
}

function* withInterpreters(file: string, path: string, depth = 0): Generator<string> {
  yield file
  const real = follow(file)?.real
  if (real === undefined || depth > deepest) return
  for (const next of interpreterOf(real, path)) yield* withInterpreters(next, path, depth + 1)
}

/** Of `node --import hook.mjs -r ./other.js main.mjs data.json` the first three: the rest is the script's own business. */
function scriptsOf(command: string, args: readonly string[], cwd: string): string[] {
  if (!interpreters.test(basename(command))) return []
  const found: string[] = []
  for (const [index, arg] of args.entries()) {
    const [file] = fileNamed(arg, cwd)
    if (file === undefined) continue
    found.push(file)
    if (!arg.startsWith('-') && !preloads.test(args[index - 1] ?? '')) break
  }
  return found
}

/** What a file is installed in: its package with the packages beside it, its virtual environment, its Python, its version manager. */
function homesOf(file: string): string[] {
  const folder = dirname(file)
  const above = dirname(folder)
  if (basename(folder) === 'shims' && existsSync(join(above, 'versions'))) return [above]
  if (basename(folder) === 'bin' && (existsSync(join(above, 'pyvenv.cfg')) || hasPython(above))) return [above]
  const homes: string[] = []
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    if (homes.length === 0 && (existsSync(join(at, 'package.json')) || existsSync(join(at, 'pyproject.toml')))) homes.push(at)
    if (existsSync(join(at, 'node_modules'))) homes.push(join(at, 'node_modules'))
  }
  return homes.length === 0 && /\.[a-z]+$/.test(basename(file)) ? [folder] : homes
}

function hasPython(prefix: string): boolean {
  try {
    return readdirSync(join(prefix, 'lib')).some((name) => name.startsWith('python'))
  } catch {
    return false
  }
}

/** `#!/usr/bin/env node`, `#!/home/me/venv/bin/python -I` */
function interpreterOf(file: string, path: string): string[] {
  const [, first = '', rest = ''] = /^#! *(\S+)([^\n]*)/.exec(headOf(file)) ?? []
  if (first === '') return []
  if (basename(first) !== 'env') return [first]
  const name = rest.split(' ').find((word) => word !== '' && !word.startsWith('-') && !word.includes('='))
  return name === undefined ? [first] : [first, ...(findInPath(name, path) ?? [])]
}

/** An environment's Python is a link to the machine's own. */
function linked(command: string): string[] {
  const real = follow(command)?.real
  return real === undefined || real === command ? [] : [real]
}

function findInPath(name: string, path: string): string[] | undefined {
  const found = path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find(isFile)
  return found === undefined ? undefined : [found]
}

/** `/data`, `main.py`, `--config=/etc/x.json`: what stands there. An option or a plain word names a file only if one is there. */
function fileNamed(arg: string, cwd: string): string[] {
  const value = arg.startsWith('-') ? arg.slice(arg.indexOf('=') + 1 || arg.length) : arg
  if (value === '' || value.includes('\0') || /^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return []
  const file = resolve(cwd, value)
  return file !== cwd && existsSync(file) ? [file] : []
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Certificates and nothing else, in PEM. */
function holdsCertificates(file: string): boolean {
  if (statSync(file).size > largestBundle) return false
  const kinds = readFileSync(file, 'latin1').match(/-----BEGIN [^-]*-----/g) ?? []
  return kinds.length > 0 && kinds.every((kind) => /^-----BEGIN (TRUSTED )?CERTIFICATE-----$/.test(kind))
}

function headOf(file: string): string {
  if (!isFile(file)) return ''
  try {
    const handle = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(256)
      return buffer.toString('latin1', 0, readSync(handle, buffer, 0, 256, 0))
    } finally {
      closeSync(handle)
    }
  } catch {
    return ''
  }
}
