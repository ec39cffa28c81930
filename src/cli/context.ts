import { Command } from 'commander'
import { type Client, createClient } from './client.ts'
import { fail } from './output/failure.ts'

/** What a command works with. */
export interface Use {
  readonly client: Client
  readonly json: boolean
  /** Its arguments in order; those that are required are there. */
  readonly args: readonly string[]
  readonly options: Options
}

/** The options of a command as they were given. */
export interface Options {
  flag(name: string): boolean
  text(name: string): string | undefined
  /** Of an option that may be given several times. */
  list(name: string): readonly string[]
}

/**
 * A command with `--json` and worked examples. What stands in the summary up to its first colon or semicolon is its line in the
 * list of commands.
 */
export function command(name: string, summary: string, ...examples: readonly string[]): Command {
  const shown = examples.map((example) => `  $ ${example}`).join('\n')
  return new Command(name)
    .description(summary)
    .summary(/^[^:;]+/.exec(summary)?.[0] ?? summary)
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${shown}`)
}

/** Runs the body of a command; whatever it throws is printed once, and gives the exit code. */
export function action(run: (use: Use) => Promise<void> | void): (this: Command) => Promise<void> {
  return async function (this: Command) {
    const options = readOptions(this.optsWithGlobals())
    const json = options.flag('json')
    try {
      await run({ client: createClient(), json, args: this.args, options })
    } catch (error) {
      fail(error, json)
    }
  }
}

/** For `.option(…, collect)`: each use adds one. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

function readOptions(values: Readonly<Record<string, unknown>>): Options {
  return {
    flag: (name) => values[name] === true,
    text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    list: (name) => (Array.isArray(values[name]) ? values[name].map(String) : []),
  }
}
