import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, type CommanderError } from 'commander'
import { JitError } from '../core/errors.ts'
import { addCommand } from './commands/add.ts'
import { approvalsCommand } from './commands/approvals.ts'
import { approveCommand } from './commands/approve.ts'
import { auditCommand } from './commands/audit.ts'
import { configCommand } from './commands/config.ts'
import { connectCommand } from './commands/connect.ts'
import { daemonCommand } from './commands/daemon.ts'
import { denyCommand } from './commands/deny.ts'
import { doctorCommand } from './commands/doctor.ts'
import { explainCommand } from './commands/explain.ts'
import { leasesCommand } from './commands/leases.ts'
import { lockCommand } from './commands/lock.ts'
import { loginCommand } from './commands/login.ts'
import { logoutCommand } from './commands/logout.ts'
import { proposalsCommand } from './commands/proposals.ts'
import { providersCommand } from './commands/providers.ts'
import { removeCommand } from './commands/remove.ts'
import { revokeCommand } from './commands/revoke.ts'
import { sealCommand } from './commands/seal.ts'
import { serversCommand } from './commands/servers.ts'
import { statusCommand } from './commands/status.ts'
import { stopCommand } from './commands/stop.ts'
import { tokenCommand } from './commands/token.ts'
import { unlockCommand } from './commands/unlock.ts'
import { unsealCommand } from './commands/unseal.ts'
import { updateCommand } from './commands/update.ts'
import { colours } from './output/terminal.ts'

const groups: Readonly<Record<string, readonly (() => Command)[]>> = {
  'Set up': [
    loginCommand,
    addCommand,
    providersCommand,
    serversCommand,
    updateCommand,
    logoutCommand,
    removeCommand,
    tokenCommand,
    configCommand,
  ],
  Run: [connectCommand, daemonCommand, stopCommand, statusCommand, doctorCommand],
  'See and decide': [explainCommand, leasesCommand, auditCommand, approvalsCommand, approveCommand, denyCommand, proposalsCommand],
  'Cut off': [revokeCommand, lockCommand, unlockCommand, sealCommand, unsealCommand],
}

/** `jit <command>`: each command is one file in commands/. Wrong use throws a JitError; help and version, once printed, a CommanderError. */
export function createProgram(): Command {
  const program = new Command('jit')
    .description('Just-in-time credentials for MCP servers: each tool call gets its own minimal token, only while it runs.')
    .usage('<command> [options]')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this, or the help of a command')
    .helpCommand(false)
  for (const [title, makers] of Object.entries(groups)) {
    program.commandsGroup(`${title}:`)
    for (const make of makers) program.addCommand(make())
  }
  program.command('help [command...]', { hidden: true }).action((names: string[]) => find(program, names).help())
  for (const each of all(program)) dress(each)
  return program
}

/** Commander's complaint about the use of a command, in the one form of all errors of jit. */
function misuse(used: Command, { code, message }: CommanderError): JitError {
  const path = pathOf(used)
  const names = used.commands.map((each) => each.name()).filter((name) => name !== 'help')
  if (code === 'commander.help') return new JitError('usage', `\`${path}\` needs a command`, { hint: `There is ${names.join(', ')}.` })
  const [typed] = used.args
  if (code === 'commander.excessArguments' && names.length > 0 && typed !== undefined)
    return new JitError('usage', `\`${path}\` has no command ${JSON.stringify(typed)}`, { hint: `There is ${names.join(', ')}.` })
  const [what = '', ...rest] = message.replace(/^error: /, '').split('\n')
  // Without "--", options of the server's own command look like options of jit.
  const [, second = '-'] = used.args
  if (code === 'commander.unknownOption' && used.name() === 'add' && !second.startsWith('-'))
    return new JitError('usage', what, { hint: 'The command of the server stands behind "--": jit add NAME … -- npx -y PACKAGE' })
  const suggestion = /\(Did you mean (.*)\?\)/.exec(rest.join(' '))?.[1]
  const hint = suggestion === undefined ? `\`${path} --help\` shows how it is used.` : `Did you mean ${suggestion.replace('one of ', '')}?`
  return new JitError('usage', what, { hint })
}

function pathOf(each: Command): string {
  return each.parent === null ? each.name() : `${pathOf(each.parent)} ${each.name()}`
}

export function version(): string {
  // Source and dist lie at different depths.
  const [found = 'unknown'] = ['../..', '../../..'].flatMap((folder) => {
    try {
      const manifest: unknown = JSON.parse(readFileSync(join(import.meta.dirname, folder, 'package.json'), 'utf8'))
      const value: unknown = typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : undefined
      return typeof value === 'string' ? [value] : []
    } catch {
      return []
    }
  })
  return found
}

function all(parent: Command): Command[] {
  return [parent, ...parent.commands.flatMap(all)]
}

function dress(each: Command): void {
  each
    .helpCommand(false)
    .exitOverride((end) => {
      throw end.exitCode === 0 ? end : misuse(each, end)
    })
    .showSuggestionAfterError()
    .configureOutput({ writeErr: () => undefined })
    .configureHelp({
      subcommandTerm: (child) =>
        [
          child.name(),
          ...child.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`)),
        ].join(' '),
      styleTitle: (title) => colours.bold(title),
      styleUsage: (usage) => colours.cyan(usage),
    })
}

function find(program: Command, names: readonly string[]): Command {
  let found = program
  for (const name of names) {
    const child = found.commands.find((each) => each.name() === name)
    if (child === undefined)
      throw new JitError('usage', `there is no command ${JSON.stringify(names.join(' '))}`, { hint: '`jit --help` lists them.' })
    found = child
  }
  return found
}
