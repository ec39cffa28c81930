import type { Command } from 'commander'
import { action, command } from '../context.ts'

/** The launcher serves it before anything else is loaded; this is its help, and catches what it does not take. */
export function connectCommand(): Command {
  return command('connect', 'what an MCP client starts: its stdio on one side, a server behind jit on the other', 'jit connect github')
    .argument('<server>', 'name of the server')
    .addHelpText('after', '\nMCP clients run it by their configuration, as `jit add` prints it. It starts\nthe daemon when none runs.')
    .action(
      action(async ({ args: [server = ''] }) => {
        const { connect } = await import('../../shim/connect.js')
        await connect(server)
      }),
    )
}
