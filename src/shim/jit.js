#!/usr/bin/env node
// The command `jit`, on whatever Node runs it. `jit connect` is served at once; everything else needs a Node that runs the
// program itself.
if (process.argv[2] === 'connect' && process.argv[3] !== undefined && !process.argv[3].startsWith('-')) {
  const { connect } = await import('./connect.js')
  connect(process.argv[3])
} else {
  const { runCommand } = await import('./launch.js')
  await runCommand(process.argv.slice(2))
}
