import { basename } from 'node:path'

/** What the system shows of a process. All of it is under the control of whoever runs the process: for display, not for trust. */
export interface ProcessLook {
  /** The kernel's short name (15 characters): of the file at first; programs may set it. */
  readonly title: string
  /** Path; empty when unknown. */
  readonly executable: string
  /** Arguments from the program's own name on; one single text when the program has set its title. */
  readonly args: readonly string[]
}

const interpreters = /^(node(js)?|python[\d.]*|bun|deno|ruby|perl)$/
const shells = /^(sh|bash|zsh|dash|ash|ksh|mksh|fish|busybox)$/
const launchers =
  /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|bunx|uv|uvx|corepack|(npm|npx)-cli\.js|pnpm\.c?js|yarn\.js|env|timeout|nice|ionice|nohup|setsid|stdbuf|mise|asdf|volta|volta-shim|direnv|fnm)$/
/** Scripts that are named so say nothing; their package does. */
const plainScript = /^(index|main|cli|bin|start|run|app|server|__main__)(\.([cm]?[jt]s|py))?$/
const plainFolder = /^(bin|dist|build|out|lib|src|esm|cjs)$/
const nameLength = 100

/** The executable's base name; for an interpreter the script's, or its package's where the script is called `index.js`. */
export function programName(look: ProcessLook): string {
  return clean(titleSet(look) ?? scriptOf(look) ?? executableName(look))
}

/** A program that only starts the next one. A shell counts when it was given something to run; a person's does not. */
export function startsOthers(look: ProcessLook): boolean {
  const executable = executableName(look)
  if (shells.test(executable)) return look.args.slice(1).some((word) => /^-[a-z]*c$/.test(word) || !/^[-+]/.test(word))
  return launchers.test(programName(look)) || launchers.test(executable)
}

/** Letters, digits, punctuation and symbols: nothing that moves a terminal's cursor or turns the text around. */
export function clean(name: string): string {
  return name.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?').slice(0, nameLength) || 'unknown'
}

function executableName({ executable, title, args }: ProcessLook): string {
  return basename(executable) || basename(args[0] ?? '') || title
}

/**
 * The first word of a title that an interpreted program gave itself (`npm exec …`, `claude`): it stands in the place of all
 * arguments.
 */
function titleSet(look: ProcessLook): string | undefined {
  const [whole = '', ...more] = look.args
  if (!interpreters.test(executableName(look)) || more.length > 0 || interpreters.test(basename(whole)) || whole === '') return undefined
  return whole.split(' ')[0]
}

function scriptOf(look: ProcessLook): string | undefined {
  if (!interpreters.test(executableName(look))) return undefined
  const script = look.args.slice(1).find((word) => word !== '' && !word.startsWith('-'))
  if (script === undefined) return undefined
  return plainScript.test(basename(script)) ? packageOf(script) : basename(script)
}

/** `…/node_modules/@scope/name/dist/cli.js` is `name`; elsewhere the nearest folder that says something. */
function packageOf(script: string): string {
  const folders = script.split('/').slice(0, -1)
  const root = folders.lastIndexOf('node_modules')
  const name = root === -1 ? undefined : folders[root + (folders[root + 1]?.startsWith('@') === true ? 2 : 1)]
  return name ?? folders.findLast((folder) => folder !== '' && !folder.startsWith('.') && !plainFolder.test(folder)) ?? basename(script)
}
