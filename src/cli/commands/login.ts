import { readFileSync } from 'node:fs'
import colours from 'picocolors'
import type { Command } from 'commander'
import { z } from 'zod'
import { type KindView, kindView, providerView, routes } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { card, plain, print, printJson, scopeText } from '../output.ts'

type Field = KindView['login'][number]

export function loginCommand(): Command {
  return command(
    'login',
    'register a provider once: a real mint proves it, its secret is sealed',
    'jit login github-app acme --app-id 123456 --installation acme --private-key key.pem',
  )
    .argument('<kind>', 'kind of provider, e.g. github-app')
    .argument('[name]', 'name of this registration; the kind when absent')
    .option('--replace', 'register anew under a name that exists')
    .addHelpText(
      'after',
      '\nEach kind has options of its own, asked for when they are missing. A secret is read from a file, or from stdin with "-":\n  github-app: --app-id N --installation ACCOUNT --private-key FILE [--api-url URL]',
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(
      action(async ({ client, json }, kind: string, name: string | undefined, options: Record<string, unknown>) => {
        const kinds = z.array(kindView).parse(await client.call(routes.kinds))
        const found = kinds.find((known) => known.kind === kind)
        if (found === undefined)
          throw new JitError(
            'usage',
            `there is no kind of provider ${quote(kind)}; there is ${kinds.map((known) => known.kind).join(', ')}`,
          )
        const given = readOptions(found, process.argv.slice(process.argv.indexOf('login') + 1))
        const chosen = name === undefined || name.startsWith('-') ? kind : name
        const { config, secrets } = await fill(found, given)
        const answer = await client.call(routes.registerProvider, {
          body: { kind, name: chosen, config, secrets, replace: options['replace'] === true },
        })
        if (json) return printJson(answer)
        const view = providerView.parse(answer)
        print(`${colours.green('✓')} ${plain(view.name)} is registered; its secret is sealed`)
        print(
          card(
            Object.entries(view.proof ?? {}).map(
              ([label, value]) => [label, plain(typeof value === 'object' ? scopePairs(value) : String(value))] as const,
            ),
          ),
        )
      }),
    )
}

/** `--app-id 1` or `--app-id=1`, for the fields of this kind; anything else that looks like an option is refused. */
function readOptions(kind: KindView, words: readonly string[]): Map<string, string> {
  const flags = new Map(kind.login.map((field) => [flagOf(field), field.name]))
  const given = new Map<string, string>()
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (!word.startsWith('--') || word === '--json' || word === '--replace') continue
    const [flag = '', inline] = word.split(/=(.*)/s)
    const name = flags.get(flag)
    if (name === undefined) throw new JitError('usage', `${kind.kind} has no option ${quote(flag)}; it has ${[...flags.keys()].join(', ')}`)
    const value = inline ?? words[index + 1]
    if (value === undefined) throw new JitError('usage', `${flag} needs a value`)
    if (inline === undefined) index += 1
    given.set(name, value)
  }
  return given
}

async function fill(
  kind: KindView,
  given: ReadonlyMap<string, string>,
): Promise<{ config: Record<string, unknown>; secrets: Record<string, string> }> {
  const config: Record<string, unknown> = {}
  const secrets: Record<string, string> = {}
  for (const field of kind.login) {
    const text = given.get(field.name) ?? (field.required ? await ask(field) : undefined)
    if (text === undefined) continue
    if (field.secret) secrets[field.name] = field.type === 'file' ? readSecret(text) : text
    else config[field.name] = /^\d+$/.test(text) ? Number(text) : text
  }
  return { config, secrets }
}

async function ask(field: Field): Promise<string> {
  if (!process.stdin.isTTY) throw new JitError('usage', `${flagOf(field)} is missing: ${field.help}`)
  const prompts = await import('@inquirer/prompts')
  const message = `${field.label} (${field.help}):`
  return field.secret && field.type !== 'file' ? prompts.password({ message }) : prompts.input({ message, required: true })
}

/** Secrets come from a file or from stdin, never from the command line itself, which every program can read. */
function readSecret(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path.replace(/^~(?=\/)/, process.env['HOME'] ?? '~'), 'utf8')
  } catch (error) {
    throw new JitError('usage', `${quote(path)} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function flagOf(field: Field): string {
  return `--${field.name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function scopePairs(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return scopeText(value)
  return Object.entries(value)
    .map(([name, level]) => `${name}: ${String(level)}`)
    .join(', ')
}
