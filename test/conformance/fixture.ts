import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { root } from '../support/command.ts'
import type { Program } from './pipe.ts'
import type { Suite } from './suites.ts'

export type Transport = 'stdio' | 'http' | 'sse'

export interface RunningFixture {
  /** The address of its endpoint. */
  readonly url: string
  close(): Promise<void>
}

/** How the fixture of a suite is started with the face of this transport. */
export function fixtureProgram({ fixture }: Suite, transport: Transport): Program {
  return { command: process.execPath, args: [join(root, `test/conformance/fixtures/${fixture}-main.ts`), transport] }
}

/** Starts the face that listens, and waits for the address it prints. */
export async function startFixture(suite: Suite, transport: 'http' | 'sse'): Promise<RunningFixture> {
  const { command, args } = fixtureProgram(suite, transport)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>((settle) => child.once('close', () => settle()))
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
  const url = await new Promise<string>((settle, fail) => {
    createInterface({ input: child.stdout }).once('line', settle)
    void ended.then(() => fail(new Error(`the fixture ended: ${words}`)))
  })
  return {
    url,
    close: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
