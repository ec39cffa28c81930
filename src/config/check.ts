import { quote } from '../core/errors.ts'
import { hostsLine, localAddress } from '../core/local-address.ts'
import { explainIssues } from './explain-issues.ts'
import type { ConfigCheck } from './types.ts'
import { nearest } from '../core/nearest.ts'
import type { ProblemList } from './problems.ts'
import { type Config, type ServerConfig, toolName } from './schema.ts'
import { selfServer } from './self.ts'

/** What a schema cannot say: names that refer to something, options that need or exclude each other. */
export function checkConfig(config: Config, check: ConfigCheck, problems: ProblemList): void {
  for (const [name, entry] of Object.entries(config.providers)) checkProvider(name, entry, check, problems)
  if (Object.hasOwn(config.servers, selfServer))
    problems.add(
      ['servers', selfServer],
      `the name ${quote(selfServer)} is taken: behind it jit answers for itself; \`self\` says what it may do`,
    )
  for (const [name, server] of Object.entries(config.servers)) {
    checkTarget(name, server, problems)
    checkRemote(name, server, config, problems)
    checkReferences(name, server, config, check, problems)
    checkToolNames(name, server, problems)
    checkInjection(name, server, problems)
  }
}

function checkProvider(name: string, entry: Config['providers'][string], check: ConfigCheck, problems: ProblemList): void {
  const { kind, ...settings } = entry
  const schema = check.kinds.get(kind)
  if (schema === undefined) {
    const known = [...check.kinds.keys()]
    problems.add(
      ['providers', name, 'kind'],
      `no provider of kind ${quote(kind)} is built in; there is ${known.join(', ')}`,
      nearest(kind, known),
    )
    return
  }
  const result = schema.safeParse(settings)
  if (!result.success) explainIssues(result.error, schema, settings, problems, ['providers', name])
}

function checkTarget(name: string, server: ServerConfig, problems: ProblemList): void {
  if (server.run === undefined && server.url === undefined)
    problems.add(['servers', name], 'needs `run` (a local server) or `url` (a remote one)')
  if (server.run !== undefined && server.url !== undefined) problems.add(['servers', name, 'url'], '`run` and `url` exclude each other')
  if (server.url !== undefined && !isHttpUrl(server.url))
    problems.add(['servers', name, 'url'], `${quote(server.url)} is not an http(s) address`)
}

/** What belongs to remote servers only, to local ones only, and how a remote one may be reached. */
function checkRemote(name: string, server: ServerConfig, { network }: Config, problems: ProblemList): void {
  const place = (...path: (string | number)[]) => ['servers', name, ...path]
  if (server.url === undefined) {
    if (server.transport !== undefined) problems.add(place('transport'), '`transport` is for remote servers (`url`)')
    if (server.scope !== undefined)
      problems.add(place('scope'), 'one scope for all tools is for remote servers (`url`); here each tool has its own, under `tools`')
    return
  }
  for (const [key, given] of [
    ['cwd', server.cwd !== undefined],
    ['env', Object.keys(server.env).length > 0],
    ['pass', server.pass.length > 0],
    ['open', server.open.length > 0],
  ] as const)
    if (given) problems.add(place(key), `\`${key}\` is for local servers (\`run\`): nothing is started here for a remote one`)
  if (server.provider === undefined && server.scope !== undefined)
    problems.add(place('scope'), 'a scope asks for a credential: name a `provider`')
  if (!isHttpUrl(server.url)) return
  const { protocol, hostname, port, username, password, hash } = new URL(server.url)
  if (username !== '' || password !== '')
    problems.add(
      place('url'),
      'an address holds no name and password: register the secret with `jit login static` and use `inject: { mode: header }`',
    )
  if (hash !== '') problems.add(place('url'), 'the part behind "#" goes to no server: leave it out')
  const dialled = `${hostname}:${port === '' ? '80' : port}`
  if (protocol === 'http:' && !isListed(dialled, hostname, network.hosts))
    problems.add(place('url'), `clear text goes only to loopback addresses that \`network.hosts\` lists: ${instead(server.url, dialled)}`)
}

function isListed(dialled: string, hostname: string, hosts: Config['network']['hosts']): boolean {
  return [dialled, hostname].some((known) => Object.hasOwn(hosts, known))
}

function instead(url: string, dialled: string): string {
  const local = localAddress(url)
  const line = hostsLine(local ?? { name: dialled, address: dialled.replace(/^.*:/, '127.0.0.1:') })
  return `use https, or${local === undefined ? `, where ${quote(dialled)} is this machine,` : ''} write \`${line}\` into the config file first, and run \`jit config apply\``
}

function checkReferences(name: string, server: ServerConfig, config: Config, check: ConfigCheck, problems: ProblemList): void {
  const provider =
    server.provider === undefined || !Object.hasOwn(config.providers, server.provider) ? undefined : config.providers[server.provider]
  if (server.provider !== undefined && provider === undefined) {
    const close = nearest(server.provider, Object.keys(config.providers))
    problems.add(['servers', name, 'provider'], `no provider is named ${quote(server.provider)}; \`jit login\` registers one`, close)
  }
  if (server.preset === undefined) return
  const preset = check.presets(server.preset)
  if (preset === undefined)
    problems.add(
      ['servers', name, 'preset'],
      `there is no preset ${quote(server.preset)}${oneOf(check.presets.names)}`,
      nearest(server.preset, check.presets.names ?? []),
    )
  else if (provider !== undefined && provider.kind !== preset.provider) {
    problems.add(
      ['servers', name, 'preset'],
      `the preset is written for a provider of kind ${preset.provider}, but ${quote(server.provider)} is of kind ${provider.kind}`,
    )
  }
}

function oneOf(names: readonly string[] = []): string {
  return names.length === 0 ? '' : `, but ${names.join(', ')}`
}

function checkToolNames(name: string, server: ServerConfig, problems: ProblemList): void {
  for (const list of ['allow', 'ask', 'deny'] as const) {
    for (const [index, tool] of server[list].entries()) {
      if (!toolName.test(tool))
        problems.add(
          ['servers', name, list, index],
          `${quote(tool)} cannot be a tool's name: letters, digits, ".", "_" and "-", at most 128`,
        )
    }
  }
  for (const tool of Object.keys(server.tools)) {
    if (!toolName.test(tool))
      problems.add(
        ['servers', name, 'tools', tool],
        `${quote(tool)} cannot be a tool's name: letters, digits, ".", "_" and "-", at most 128`,
      )
  }
}

function checkInjection(name: string, server: ServerConfig, problems: ProblemList): void {
  const { mode, env, url } = server.inject
  const path = ['servers', name, 'inject'] as const
  const filled = [...(typeof env === 'string' ? [env] : Object.keys(env ?? {})), ...Object.keys(url ?? {})]
  for (const variable of filled) {
    if (Object.hasOwn(server.env, variable))
      problems.add(['servers', name, 'env', variable], `${variable} is filled by \`inject\` and cannot be set here too`)
    const index = server.pass.indexOf(variable)
    if (index >= 0)
      problems.add(
        ['servers', name, 'pass', index],
        `${variable} is filled by \`inject\`; passing the daemon's own would hand out a credential`,
      )
  }
  if (server.provider === undefined) return
  if (server.url !== undefined && mode !== 'header')
    problems.add([...path, 'mode'], 'a remote server (`url`) takes its credential with `inject: { mode: header }`')
  if (server.run !== undefined && mode === 'header')
    problems.add([...path, 'mode'], 'mode header is for remote servers (`url`); a local one takes egress, endpoint, credentials or env')
  if (mode === 'credentials' && env !== undefined)
    problems.add([...path, 'env'], 'mode credentials fills the variables that AWS clients read by itself')
  if (mode !== 'header' && mode !== 'credentials' && (env === undefined || filled.length === 0)) {
    problems.add(
      [...path, 'env'],
      mode === 'env'
        ? 'names no variable for the credential, e.g. `env: GITHUB_TOKEN`'
        : 'names no variable for the placeholder, e.g. `env: GITHUB_TOKEN`',
    )
  }
  if (mode === 'endpoint' && url === undefined)
    problems.add([...path, 'url'], 'mode endpoint needs the variable that takes the address, e.g. `url: { GITHUB_HOST: "${endpoint}" }`')
  checkHeader(name, server, problems)
  if (mode !== 'endpoint' && url !== undefined) problems.add([...path, 'url'], `\`url\` belongs to mode endpoint, not to ${mode}`)
}

/** What the transport says itself, or what would say where a message ends. */
const ownHeaders =
  /^(host|content-.*|accept.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*|user-agent|last-event-id|mcp-.*)$/i

function checkHeader(name: string, { inject }: ServerConfig, problems: ProblemList): void {
  const { mode, header } = inject
  if (header === undefined) return
  const path = ['servers', name, 'inject', 'header']
  if (mode !== 'header') return problems.add(path, `\`header\` belongs to mode header, not to ${mode}`)
  if (ownHeaders.test(header.name)) problems.add([...path, 'name'], `${quote(header.name)} is a header of the transport itself`)
  if (!/\$\{[a-zA-Z_]+\}/.test(header.value))
    problems.add(
      [...path, 'value'],
      'names no part of the credential, e.g. "${token}"; a fixed value would stand in this file for all to read',
    )
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}
