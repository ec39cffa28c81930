#!/usr/bin/env node
// The command `jit`, on whatever Node runs it. `jit connect` is served at once, so it is loaded at once; everything else needs
// a Node that runs the program itself.
import { connect } from './connect.js'

const [, , command, server] = process.argv
if (command === 'connect' && server !== undefined && !server.startsWith('-') && process.argv.length === 4) {
  void connect(server)
} else {
  const { runCommand } = await import('./launch.js')
  await runCommand(process.argv.slice(2))
}
