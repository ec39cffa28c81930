import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const line = z.tuple([z.string(), z.string(), z.enum(['python', 'go']), z.string()])

/**
 * Where `install.sh` put a program of programs.txt. Absent when it is not there, which is said aloud; with JIT_REQUIRE_REAL=1
 * that is an error.
 */
export function findProgram(name: string): string | undefined {
  const lines = readFileSync(join(import.meta.dirname, 'programs.txt'), 'utf8')
    .trim()
    .split('\n')
  const found = lines.find((text) => text.startsWith(`${name} `))
  const [, version, kind, argument] = line.parse(found?.split(' '))
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'jit-real', `${name}-${version}`)
  if (existsSync(join(folder, 'installed'))) return join(folder, kind === 'go' ? `bin/${name}` : argument)
  return missing(`${name} ${version} is not in ${folder}`)
}

/** Says why tests are skipped, or throws where they must run. */
export function missing(reason: string): undefined {
  const text = `${reason}; test/real/install.sh installs what these tests need`
  if (process.env['JIT_REQUIRE_REAL'] === '1') throw new Error(text)
  console.warn(`SKIPPED: ${text}`)
  return undefined
}

/** A program that a test started and ends. */
export interface Running {
  readonly child: ChildProcess
  /** What it wrote so far, to both of its outputs. */
  output(): string
  /** Settles with the first match of its output; throws when it ends without one. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  stop(): Promise<void>
}

/** Only what stands in `env` is in its environment, beside PATH and HOME. */
export function startProgram(command: string, args: readonly string[], { env = {}, ...options }: SpawnOptions = {}): Running {
  const child = spawn(command, args, {
    ...options,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let text = ''
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', (error) => {
      text += String(error)
      resolve()
    })
  })
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      for (const listener of listeners) listener()
    })
  }
  return {
    child,
    output: () => text,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(text)
          if (match === null) return
          listeners.delete(look)
          resolve(match)
        }
        listeners.add(look)
        look()
        void gone.then(() => reject(new Error(`${command} ended without ${String(pattern)}: ${text.slice(-2000)}`)))
      }),
    async stop() {
      child.stdin?.end()
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await gone
      clearTimeout(late)
    },
  }
}
