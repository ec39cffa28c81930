import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')
export const launcher = join(root, 'src/shim/jit.js')

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one `jit` command as a user's shell would, in the given home. */
export function runJit(home: string, args: readonly string[], input = '', variables: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, [launcher, ...args], {
      cwd: root,
      env: { ...demoEnvironment(home), ...variables },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 60_000,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', fail)
    child.on('close', (code) => settle({ code: code ?? -1, stdout, stderr }))
    child.stdin.end(input)
  })
}

/** Like `runJit` with `--json`, parsed; throws with what the command said when it failed. */
export async function jitJson(home: string, args: readonly string[], input = ''): Promise<unknown> {
  const result = await runJit(home, [...args, '--json'], input)
  if (result.code !== 0) throw new Error(`jit ${args.join(' ')} ended with ${result.code}: ${(result.stderr || result.stdout).trim()}`)
  return JSON.parse(result.stdout)
}

/** Only what a client would pass on: nothing of a developer's own proxies, CAs or tokens. */
export function demoEnvironment(home: string): Record<string, string> {
  const environment: Record<string, string> = { JIT_HOME: home, JIT_KEYCHAIN: 'off', NO_COLOR: '1' }
  for (const name of ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'TMPDIR']) {
    const value = process.env[name]
    if (value !== undefined) environment[name] = value
  }
  return environment
}
