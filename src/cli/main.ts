import { Command, type CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { addCommand } from './commands/add.ts'
import { approveCommand } from './commands/approve.ts'
import { approvalsCommand } from './commands/approvals.ts'
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
import { providersCommand } from './commands/providers.ts'
import { removeCommand } from './commands/remove.ts'
import { revokeCommand } from './commands/revoke.ts'
import { sealCommand } from './commands/seal.ts'
import { serversCommand } from './commands/servers.ts'
import { statusCommand } from './commands/status.ts'
import { stopCommand } from './commands/stop.ts'
import { unlockCommand } from './commands/unlock.ts'
import { unsealCommand } from './commands/unseal.ts'
import { updateCommand } from './commands/update.ts'
import { errorTable } from '../core/errors.ts'

/** `jit <command>`: each command is one file in commands/. */
const program = new Command('jit')
  .description('Just-in-time credentials for MCP servers: each tool call gets its own minimal token, only while it runs.')
  .version(version(), '--version')
  .helpCommand(false)
  .showSuggestionAfterError()
  .exitOverride(leave)
  .addHelpText(
    'after',
    '\nStart here:\n  $ jit login github-app acme --app-id 123456 --installation acme --private-key key.pem\n  $ jit add github --preset server-github --provider acme --allow get_issue -- npx -y @modelcontextprotocol/server-github@2025.4.8',
  )

program.commandsGroup('Set up:')
for (const made of [loginCommand, logoutCommand, providersCommand, addCommand, updateCommand, removeCommand, serversCommand, configCommand])
  program.addCommand(inherit(made()))
program.commandsGroup('Run:')
for (const made of [connectCommand, daemonCommand, stopCommand, statusCommand, doctorCommand]) program.addCommand(inherit(made()))
program.commandsGroup('See and decide:')
for (const made of [explainCommand, leasesCommand, auditCommand, approvalsCommand, approveCommand, denyCommand])
  program.addCommand(inherit(made()))
program.commandsGroup('Cut off:')
for (const made of [revokeCommand, lockCommand, unlockCommand, sealCommand, unsealCommand]) program.addCommand(inherit(made()))

process.stdout.on('error', () => process.exit(0))
if (process.argv.length <= 2) program.outputHelp()
else await program.parseAsync()

/** A wrong use ends with the code of the error table, whichever command it was. */
function inherit(child: Command): Command {
  for (const nested of child.commands) inherit(nested)
  return child.exitOverride(leave).showSuggestionAfterError()
}

function leave(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? 0 : errorTable.usage.exit)
}

function version(): string {
  for (const folder of ['../..', '../../..']) {
    try {
      const { version }: { version: string } = JSON.parse(readFileSync(join(import.meta.dirname, folder, 'package.json'), 'utf8'))
      return version
    } catch {
      // Source and dist lie at different depths.
    }
  }
  return 'unknown'
}
