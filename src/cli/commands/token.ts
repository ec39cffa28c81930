import { createHash, randomBytes } from 'node:crypto'
import { Command } from 'commander'
import { z } from 'zod'
import { routes, serverView, type TokenView, tokenView } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { action, collect, command } from '../context.ts'
import { table } from '../output/layout.ts'
import { colours, note, print, printFolded, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { since, until } from '../output/time.ts'

export function tokenCommand(): Command {
  return new Command('token')
    .description('tokens for MCP clients that reach jit by HTTP')
    .addHelpText('after', '\nExample:\n  $ jit token add cursor --server github --expires 30d')
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand())
}

function addCommand(): Command {
  return command(
    'add',
    'make a token; it is shown once, and jit keeps its hash alone',
    'jit token add cursor',
    'jit token add ci --server github --server files --expires 30d',
  )
    .argument('<name>', 'what the client is called, here and in the trail')
    .option('--server <name>', 'a server that it reaches; more than one may be given, and without any it reaches all', collect)
    .option('--expires <duration>', 'how long it is good for, e.g. 12h or 30d; until it is removed when left out')
    .action(
      action(async ({ client, json, args: [name = ''], options }) => {
        // Made here, so that it crosses no socket: the daemon needs the hash and nothing else.
        const token = `jit_mcp_${randomBytes(32).toString('base64url')}`
        const hash = createHash('sha256').update(token).digest('hex')
        const expires = options.text('expires')
        const life = expires === undefined ? {} : { life: lifeOf(expires) }
        const view = tokenView.parse(await client.call(routes.addToken, { body: { name, hash, servers: options.list('server'), ...life } }))
        const servers =
          view.servers.length > 0
            ? view.servers
            : z
                .array(serverView)
                .parse(await client.call(routes.servers))
                .map((one) => one.name)
        const blocks = Object.fromEntries(servers.map((server) => [server, clientEntry(view.address, server, token)]))
        if (json) return printJson({ ...view, token, client: { mcpServers: blocks } })
        print(`${colours.green('✓')} ${plain(view.name)} may come by HTTP${view.expiresAt === 0 ? '' : `, for ${until(view.expiresAt)}`}`)
        if (view.address === '') note('the HTTP door is closed: put `http: { port: 7391 }` into the config, and run `jit config apply`')
        print('\nPut this into your MCP client’s configuration; the token is not shown again:\n')
        print(JSON.stringify({ mcpServers: blocks }, null, 2))
      }),
    )
}

function listCommand(): Command {
  return command('list', 'the tokens that there are', 'jit token list').action(
    action(async ({ client, json }) => {
      const found = z.array(tokenView).parse(await client.call(routes.tokens))
      if (json) return printJson(found)
      if (found.length === 0) return print('There is no token. `jit token add NAME` makes one.')
      print(table(['token', 'servers', 'age', 'left', 'in use'], found.map(row)))
    }),
  )
}

function removeCommand(): Command {
  return command('remove', 'refuse a token from here on; what runs with it ends at once', 'jit token remove cursor')
    .argument('<name>', 'name of the token')
    .action(
      action(async ({ client, json, args: [name = ''] }) => {
        const answer = await client.call(routes.removeToken, { parameters: { name } })
        if (json) return printJson(answer)
        printFolded(`${colours.green('✓')} ${plain(name)} is refused from here on; its sessions and credentials are ended`)
      }),
    )
}

function row({ name, servers, addedAt, expiresAt, connections }: TokenView): string[] {
  return [name, servers.join(', ') || 'all', since(addedAt), expiresAt === 0 ? '-' : until(expiresAt), String(connections)]
}

/** What most clients take for a remote server. The port is the usual one while the door is closed. */
function clientEntry(address: string, server: string, token: string): object {
  return {
    type: 'http',
    url: `${address || 'http://127.0.0.1:7391'}/mcp/${server}`,
    headers: { Authorization: `Bearer ${token}` },
  }
}

const unit: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function lifeOf(text: string): number {
  const [, number = '', letter = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? []
  const life = Number(number) * (unit[letter] ?? 0)
  if (life === 0) throw new JitError('usage', `--expires takes a duration, not ${quote(text)}`, { hint: 'For example --expires 30d' })
  return life
}
