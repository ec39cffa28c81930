import { userInfo } from 'node:os'
import { recoverStore } from './recover-store.ts'
import { findPaths } from '../config/paths.ts'
import { systemClock } from '../core/clock.ts'
import { toJitError } from '../core/errors.ts'

/** `jit doctor --recover-store`, in a process of its own: the command line holds no code that reads the store. Prints JSON. */
try {
  process.umask(0o077)
  const recovered = await recoverStore(findPaths(process.env, userInfo().homedir), systemClock.now())
  process.stdout.write(`${JSON.stringify(recovered)}\n`)
} catch (error) {
  const failure = toJitError(error)
  process.stdout.write(`${JSON.stringify(failure.toBody())}\n`)
  process.exitCode = failure.exitCode
}
