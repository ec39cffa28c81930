import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type CommandResult, demoEnvironment, launcher, root } from './command.ts'

/** Runs the Inspector's command line in front of `jit connect <server>`; its exit code is 5 when a tool answers with an error. */
export async function inspect(home: string, server: string, args: readonly string[]): Promise<CommandResult> {
  const environment = demoEnvironment(home)
  const command = [join(root, 'node_modules/.bin/mcp-inspector'), '--cli', process.execPath, launcher, 'connect', server, ...args]
  command.push('--format', 'json')
  for (const [name, value] of Object.entries(environment)) if (name.startsWith('JIT_')) command.push('-e', `${name}=${value}`)
  return promisify(execFile)(process.execPath, command, { env: environment, timeout: 50_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code?: number; stdout?: string; stderr?: string }) => ({
      code: error.code ?? -1,
      stdout: error.stdout ?? '',
      stderr: error.stderr ?? '',
    }),
  )
}
