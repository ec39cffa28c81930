import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import colours from 'picocolors'
import type { Command } from 'commander'
import { routes, serverView } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { action, collect, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'

export function addCommand(): Command {
  return command(
    'add',
    'put an MCP server behind jit',
    'jit add github --preset server-github --provider acme --where owner=acme --where repo=web,api --allow get_issue,list_issues -- npx -y @modelcontextprotocol/server-github@2025.4.8',
  )
    .argument('<server>', 'name of the server')
    .argument('[command...]', 'behind "--": the command that starts it')
    .option('--preset <name>', 'what is known of this server program: scope and requests of each tool')
    .option('--provider <name>', 'where its credentials come from')
    .option('--env <name>', 'the variable in which it expects its credential')
    .option('--mode <mode>', 'how it gets the credential: egress, endpoint or env')
    .option('--allow <tools>', 'tools that are allowed, with commas', collect)
    .option('--ask <tools>', 'tools that a person must approve', collect)
    .option('--where <argument=values>', 'what an argument must be, in every call', collect)
    .option('--lifetime <lifetime>', 'call: a token for each call; ttl: shared by calls of one session and scope')
    .option('--ttl <duration>', 'life of a token, e.g. 5m')
    .option('--url <address>', 'address of a remote server')
    .option('--replace', 'replace a server of that name')
    .action(
      action(async ({ client, json }, name: string, run: string[], options: Record<string, unknown>) => {
        const answer = await client.call(routes.addServer, {
          body: { name, entry: entryOf(run, options), replace: options['replace'] === true },
        })
        if (json) return printJson(answer)
        const view = serverView.parse(answer)
        print(
          `${colours.green('✓')} ${plain(view.name)} is behind jit: ${view.allow.length} tools allowed, ${view.ask.length} ask, all others denied`,
        )
        print(`  pinned  ${plain(view.pin)}`)
        print('\nPut this into your MCP client:\n')
        print(JSON.stringify({ mcpServers: { [name]: clientEntry(name) } }, null, 2))
      }),
    )
}

function entryOf(run: readonly string[], options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const text = (key: string): string | undefined => (typeof options[key] === 'string' ? options[key] : undefined)
  const list = (key: string): string[] =>
    Array.isArray(options[key])
      ? options[key]
          .flatMap((value) => String(value).split(','))
          .map((value) => value.trim())
          .filter((value) => value !== '')
      : []
  if (run.length === 0 && text('url') === undefined)
    throw new JitError('usage', 'the command of the server is missing', {
      hint: 'Put it behind "--": jit add github … -- npx -y @modelcontextprotocol/server-github@2025.4.8',
    })
  const where: Record<string, unknown> = {}
  for (const pair of Array.isArray(options['where']) ? options['where'].map(String) : []) {
    const at = pair.indexOf('=')
    if (at < 1) throw new JitError('usage', `--where takes argument=value, not ${quote(pair)}`)
    const values = pair.slice(at + 1).split(',')
    where[pair.slice(0, at)] = values.length === 1 ? values[0] : values
  }
  const inject = {
    ...(text('mode') === undefined ? {} : { mode: text('mode') }),
    ...(text('env') === undefined ? {} : { env: text('env') }),
  }
  const entry: Record<string, unknown> = {
    ...(run.length === 0 ? { url: text('url') } : { run: fromHere(run) }),
    provider: text('provider'),
    preset: text('preset'),
    inject: Object.keys(inject).length === 0 ? undefined : inject,
    where: Object.keys(where).length === 0 ? undefined : where,
    allow: list('allow'),
    ask: list('ask').length === 0 ? undefined : list('ask'),
    lifetime: text('lifetime'),
    ttl: text('ttl'),
  }
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))
}

/** The daemon runs elsewhere: a program that is named by a relative path is the one that lies here. */
function fromHere(run: readonly string[]): string[] {
  const program = basename(run[0] ?? '') === 'node' ? run.findIndex((word, index) => index > 0 && !word.startsWith('-')) : 0
  return run.map((word, index) => (index === program && word.includes('/') && existsSync(word) ? resolve(word) : word))
}

/** What to paste: by name where a shell finds it, by its path otherwise. */
function clientEntry(name: string): { command: string; args: string[] } {
  const launcher = fileURLToPath(new URL('../../shim/jit.js', import.meta.url)).replace('/dist/src/', '/src/')
  return launcher.includes('node_modules') ? { command: 'jit', args: ['connect', name] } : { command: launcher, args: ['connect', name] }
}
