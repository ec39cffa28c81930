import type { Command } from 'commander'
import { command } from '../context.ts'

/** The launcher serves it before anything else is loaded; this is its help. */
export function connectCommand(): Command {
  return command('connect', 'what an MCP client starts: connects its stdio to a server behind jit', 'jit connect github')
    .argument('<server>', 'name of the server')
    .action(async (name: string) => {
      const { connect } = await import('../../shim/connect.js')
      connect(name)
    })
}
