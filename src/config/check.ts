import { quote } from '../core/errors.ts'
import { explainIssues } from './explain-issues.ts'
import type { ConfigCheck } from './types.ts'
import { nearest } from './nearest.ts'
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
      `there is no preset ${quote(server.preset)}`,
      nearest(server.preset, check.presets.names ?? []),
    )
  else if (provider !== undefined && provider.kind !== preset.provider) {
    problems.add(
      ['servers', name, 'preset'],
      `the preset is written for a provider of kind ${preset.provider}, but ${quote(server.provider)} is of kind ${provider.kind}`,
    )
  }
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
  if (mode !== 'endpoint' && url !== undefined) problems.add([...path, 'url'], `\`url\` belongs to mode endpoint, not to ${mode}`)
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}
