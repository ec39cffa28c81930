import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../support/command.ts'

/** What the program does that stands in the daemon's place. */
export type DaemonProgram = 'held' | 'runs' | 'fails' | 'dumb' | 'held twice, then runs'

export interface Start {
  readonly pid: number
  readonly environment: Record<string, string>
  readonly folder: string
  readonly flags: string[]
}

/** The shim's files as they are installed, beside a daemon of the test's making. */
export interface Installation {
  readonly launcher: string
  /** From now on. */
  program(behaviour: DaemonProgram): void
  /** Every start of the daemon's program. */
  starts(): Start[]
  /** Ends what was started. */
  close(): void
}

export function createInstallation(behaviour: DaemonProgram): Installation {
  const folder = mkdtempSync(join(tmpdir(), 'jit-installed-'))
  mkdirSync(join(folder, 'src/daemon'), { recursive: true })
  mkdirSync(join(folder, 'src/api'))
  cpSync(join(root, 'src/shim'), join(folder, 'src/shim'), { recursive: true })
  for (const file of ['frames.js', 'outlet.js']) cpSync(join(root, 'src/api', file), join(folder, 'src/api', file))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const behaviourFile = join(folder, 'behaviour')
  const startsFile = join(folder, 'starts')
  writeFileSync(startsFile, '')
  writeFileSync(join(folder, 'src/daemon/main.ts'), mainOf(behaviourFile, startsFile))
  const starts = (): Start[] =>
    readFileSync(startsFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  const program = (next: DaemonProgram): void => writeFileSync(behaviourFile, next)
  program(behaviour)
  return {
    launcher: join(folder, 'src/shim/jit.js'),
    program,
    starts,
    close() {
      for (const { pid } of starts()) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It ended by itself.
        }
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function mainOf(behaviourFile: string, startsFile: string): string {
  return `
import { appendFileSync, readFileSync } from 'node:fs'
import { FakeDaemon } from ${JSON.stringify(join(root, 'test/e2e/shim/fake-daemon.ts'))}

const behaviour = readFileSync(${JSON.stringify(behaviourFile)}, 'utf8')
const before = readFileSync(${JSON.stringify(startsFile)}, 'utf8').split('\\n').length - 1
appendFileSync(${JSON.stringify(startsFile)}, JSON.stringify({ pid: process.pid, environment: process.env, folder: process.cwd(), flags: process.execArgv }) + '\\n')
if (behaviour === 'held' || (behaviour === 'held twice, then runs' && before < 2)) process.exit(75)
if (behaviour === 'fails') {
  process.stderr.write('error: jit.yaml:3:1: servers: "alow" is no key\\nhint: Correct the line that is named.\\n')
  process.exit(78)
}
if (behaviour !== 'dumb') await new FakeDaemon(process.env['JIT_HOME'] ?? '').start()
setTimeout(() => process.exit(0), 60_000)
`
}
