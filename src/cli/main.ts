import { CommanderError } from 'commander'
import { JitError } from '../core/errors.ts'
import { fail } from './output/failure.ts'
import { endUnread } from './output/reader.ts'
import { createProgram } from './program.ts'
import { welcome } from './welcome.ts'

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') endUnread()
  fail(new JitError('internal', `stdout cannot be written: ${error.message}`, { hint: 'Look at where it goes.' }), false)
  process.exit()
})
const program = createProgram()
try {
  if (process.argv.length <= 2) welcome(program)
  else await program.parseAsync()
} catch (error) {
  // What commander throws after it printed help or the version.
  if (!(error instanceof CommanderError)) fail(error, process.argv.includes('--json'))
}
