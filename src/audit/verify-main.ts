import { statSync } from 'node:fs'
import { verifyFolder } from './verify.ts'

/** `jit audit verify --folder`: proves a copy of a trail without a daemon. Prints the report as JSON. */
const folder = process.argv[2] ?? '.'
if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) {
  process.stdout.write(`${JSON.stringify(await verifyFolder(folder))}\n`)
} else {
  process.stderr.write('there is no such folder\n')
  process.exitCode = 1
}
