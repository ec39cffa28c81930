import { JitError, quote } from '../core/errors.ts'

/** What `uvx` was asked to run. Every part decides what is installed. */
export interface UvxRequest {
  /** What names the program, as `uv pip install` takes it: `name[extra]==1.0`. */
  readonly requirement: string
  /** Its name as PyPI compares names: small letters, words joined by `-`. */
  readonly name: string
  /** The console script that is run. */
  readonly command: string
  /** More requirements for the same environment (`--with`). */
  readonly others: readonly string[]
  /** The Python that was asked for (`--python`): a version. */
  readonly python: string | undefined
}

const namePattern = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?'
const versionPattern = '[A-Za-z0-9][A-Za-z0-9.!+*_-]*'
const onePattern = `(?:===?|~=|!=|<=?|>=?) ?${versionPattern}`
const requirementPattern = new RegExp(`^(${namePattern})(\\[[A-Za-z0-9._,-]+\\])?((?: ?${onePattern})(?:, ?${onePattern})*)?$`)
const atPattern = new RegExp(`^(${namePattern}(?:\\[[A-Za-z0-9._,-]+\\])?)@(${versionPattern})$`)
/** They change what is said or remembered, not what is run. */
const flags = new Set(['-q', '--quiet', '-v', '--verbose', '--isolated', '--no-progress', '--refresh', '-n', '--no-cache'])
/** Options that are taken over into the installation. */
const known = new Map([
  ['--from', 'from'],
  ['--with', 'with'],
  ['-w', 'with'],
  ['--python', 'python'],
  ['-p', 'python'],
])

/** Arguments after `uvx` → the package, and the server's own arguments. Throws `server.start` for what could not be pinned. */
export function readUvx(args: readonly string[]): { readonly request: UvxRequest; readonly args: readonly string[] } {
  const given: Record<string, string[]> = {}
  let index = 0
  for (; args[index]?.startsWith('-') === true; index += 1) {
    const arg = args[index] ?? ''
    if (flags.has(arg)) continue
    const [option = '', inline] = arg.startsWith('--') ? splitOnce(arg) : [arg]
    const kind = known.get(option)
    if (kind === undefined) throw refused(option)
    const value = inline ?? args[(index += 1)]
    if (value === undefined) throw new JitError('server.start', `the option ${quote(option)} of uvx needs a value`)
    given[kind] = [...(given[kind] ?? []), value]
  }
  const target = args[index]
  if (target === undefined) throw new JitError('server.start', '`uvx` without a package')
  const from = given['from']?.at(-1)
  const { requirement, name } = readRequirement(from ?? target, true)
  return {
    request: {
      requirement,
      name,
      command: from === undefined ? commandOf(target) : readCommand(target),
      // `--with a,b` is `--with a --with b`, but a comma also stands between two bounds of one version.
      others: (given['with'] ?? [])
        .flatMap((text) => text.split(/,(?= ?[A-Za-z])/))
        .map((text) => readRequirement(text.trim(), false).requirement),
      python: readPython(given['python']?.at(-1)),
    },
    args: args.slice(index + 1),
  }
}

/** The request as one would type it, in one order; equal requests have equal texts. */
export function uvxText({ requirement, command, others, python }: UvxRequest): string {
  return [
    'uvx',
    ...(python === undefined ? [] : ['--python', python]),
    ...others.flatMap((other) => ['--with', other]),
    ...(requirement === command ? [] : ['--from', requirement]),
    command,
  ].join(' ')
}

/** As PyPI compares names. */
export function normalName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-')
}

/** Only names of an index: what a URL, a path or a repository means can be another thing at each look. */
function readRequirement(text: string, withAt: boolean): { requirement: string; name: string } {
  const [, atName = '', version = ''] = (withAt ? atPattern.exec(text) : null) ?? []
  const plain = atName === '' ? text : version === 'latest' ? atName : `${atName}==${version}`
  const [, name] = requirementPattern.exec(plain) ?? []
  if (name === undefined)
    throw new JitError('server.start', `uvx needs the name of a package, not ${quote(text)}`, {
      hint: 'Name a package of an index: `uvx NAME==VERSION` or `uvx --from NAME==VERSION COMMAND`. URLs, paths and git are not pinned.',
    })
  // uv itself runs the interpreter then, and an index may have anything under that name.
  if (/^python[0-9.]*$/i.test(name)) throw new JitError('server.start', `uvx ${quote(text)} runs no package`)
  return { requirement: plain.replaceAll(' ', ''), name: normalName(name) }
}

/** `name[extra]@1.0` runs `name`. */
function commandOf(target: string): string {
  return readCommand(/^[A-Za-z0-9._-]+/.exec(target)?.[0] ?? '')
}

function readCommand(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(text)) return text
  throw new JitError('server.start', `uvx needs the name of a command after \`--from\`, not ${quote(text)}`)
}

function readPython(text: string | undefined): string | undefined {
  if (text === undefined || /^\d+(\.\d+){0,2}$/.test(text)) return text
  throw new JitError('server.start', `\`--python\` needs a version such as 3.12, not ${quote(text)}`)
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.indexOf('=')
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)]
}

function refused(option: string): JitError {
  const index = /index|find-links/.test(option) || ['-i', '-f'].includes(option)
  return new JitError('server.start', `the option ${quote(option)} of uvx is not supported`, {
    hint: index
      ? 'Name the index in your own uv.toml, or in the environment of the daemon (UV_DEFAULT_INDEX).'
      : 'Write `uvx NAME==VERSION …` or `uvx --from NAME==VERSION COMMAND …`; `--with` and `--python VERSION` may stand before them.',
  })
}
