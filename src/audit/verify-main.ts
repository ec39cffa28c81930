import { verifyFolder } from './verify.ts'

/** `jit audit verify --folder`: proves a copy of a trail without a daemon. Prints the report as JSON. */
const folder = process.argv[2] ?? '.'
process.stdout.write(`${JSON.stringify(await verifyFolder(folder))}\n`)
