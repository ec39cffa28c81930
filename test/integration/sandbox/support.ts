import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { configSchema, type ServerConfig } from '../../../src/config/schema.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { tryMachine } from '../../../src/sandbox/machine.ts'
import { networkOf } from '../../../src/sandbox/network.ts'
import { createSandbox } from '../../../src/sandbox/sandbox.ts'
import type { Box } from '../../../src/sandbox/types.ts'

/** Whether boxes can be made here; says so loudly when not. */
export async function hasSandbox(what: string): Promise<boolean> {
  const machine = await tryMachine()
  if (machine.kind === 'bubblewrap') return true
  console.error(`SKIPPED: ${what} need bubblewrap: ${machine.kind === 'none' ? `${machine.reason}. ${machine.advice}` : machine.kind}`)
  return false
}

/** Whether a command runs here; says so loudly when not. */
export function hasTool(command: string, args: readonly string[], what: string): boolean {
  if (spawnSync(command, args, { stdio: 'ignore' }).status === 0) return true
  console.error(`SKIPPED: ${what} need \`${command}\``)
  return false
}

export interface Playground {
  /** Stands for the account's home: private, and empty in the box. */
  readonly home: string
  /** Stands for the broker's folder. */
  readonly state: string
  readonly folder: string
  open(server?: Partial<ServerConfig>, others?: Readonly<Record<string, object>>): Promise<Box>
  close(): void
}

/** Folders like those of an account, and boxes whose private home is one of them. */
export function openPlayground(): Playground {
  const folder = mkdtempSync(join(tmpdir(), 'jit box-'))
  const [home, state] = [join(folder, 'home'), join(folder, 'home/state')]
  for (const path of [home, state]) mkdirSync(path, { mode: 0o700 })
  const boxes: Box[] = []
  return {
    home,
    state,
    folder,
    async open(server = {}, others = {}) {
      const config = configSchema.parse({ version: 1, servers: { probe: { run: ['probe'], sandbox: 'on', ...server }, ...others } })
      const sandbox = createSandbox({
        folder: join(folder, `b${boxes.length}`),
        places: { home, hidden: [state], fixed: [join(home, 'config')] },
        baseFolder: folder,
        clock: systemClock,
        config: () => config,
      })
      const box = await sandbox.open('probe')
      if (box === undefined) throw new Error('no box')
      boxes.push(box)
      return box
    },
    close() {
      for (const box of boxes) box.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface Run {
  readonly command: string
  readonly args?: readonly string[]
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly network?: LaneNetwork
  readonly origins?: readonly string[]
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program in a box to its end. */
export async function runBoxed(box: Box, run: Run): Promise<Ran> {
  const { command, args = [], cwd = '/tmp', environment = {}, network, origins = [] } = run
  const doors = network === undefined ? undefined : networkOf(network, origins)
  const boxed = box.enter({ command, args, cwd }, { PATH: '/usr/bin:/bin', ...environment }, doors)
  const child = spawn(boxed.command, [...boxed.args], {
    env: { ...boxed.environment },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    timeout: 60_000,
  })
  const handed = child.stdio[3]
  if (handed instanceof Writable) handed.on('error', () => undefined).end(boxed.handed ?? '')
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}
