import { CommanderError } from 'commander'
import { fail } from './output/failure.ts'
import { createProgram } from './program.ts'
import { welcome } from './welcome.ts'

// Whoever reads this through a pipe may have seen enough.
process.stdout.on('error', () => process.exit(0))
const program = createProgram()
try {
  if (process.argv.length <= 2) welcome(program)
  else await program.parseAsync()
} catch (error) {
  // What commander throws after it printed help or the version.
  if (!(error instanceof CommanderError)) fail(error, process.argv.includes('--json'))
}
