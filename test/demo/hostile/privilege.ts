import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const ptrace = 1n << 19n

/**
 * Root may read the memory of every process, whatever that one asked of the kernel. Without that capability root is an account like
 * any other, so that this shows what people have who do not work as root. Answers the exit code of the run without it, or
 * undefined where this one is to go on.
 */
export function runWithoutPtrace(): number | undefined {
  if (process.getuid?.() !== 0 || !hasPtrace()) return undefined
  const options = ['--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace']
  if (spawnSync('setpriv', [...options, 'true']).status !== 0) return undefined
  const { status } = spawnSync('setpriv', [...options, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
  })
  return status ?? 1
}

function hasPtrace(): boolean {
  const [, mask = '0'] = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
  return (BigInt(`0x${mask}`) & ptrace) !== 0n
}
