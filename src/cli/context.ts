import { Command } from 'commander'
import { type Client, createClient } from './client.ts'
import { fail } from './output.ts'

/** What a command works with. */
export interface Context {
  readonly client: Client
  readonly json: boolean
}

/** A command with `--json`, one worked example, and errors that end it with their own exit code. */
export function command(name: string, summary: string, example: string): Command {
  return new Command(name).description(summary).option('--json', 'print JSON').addHelpText('after', `\nExample:\n  $ ${example}`)
}

/** Runs the body of a command; whatever it throws is printed once. */
export function action<Arguments extends unknown[]>(
  run: (context: Context, ...args: Arguments) => Promise<void>,
): (...args: [...Arguments, Record<string, unknown>, Command]) => Promise<void> {
  return async (...all) => {
    const self = all.at(-1)
    const json = self instanceof Command && self.opts()['json'] === true
    try {
      const args = all.slice(0, -1)
      await run({ client: createClient(), json }, ...(args as unknown as Arguments))
    } catch (error) {
      fail(error, json)
    }
  }
}

export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}
