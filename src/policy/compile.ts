import { nearest } from '../core/nearest.ts'
import { type ConfigPath, formatPath, ProblemList } from '../config/problems.ts'
import type { Config, Preset, ServerConfig, ToolCase } from '../config/schema.ts'
import type { LoadedConfig, PresetSource } from '../config/types.ts'
import { quote } from '../core/errors.ts'
import { digestOf } from '../core/json.ts'
import type { LeaseGrant } from '../core/types.ts'
import { type CaseContext, type CompiledCase, compileCase } from './case.ts'
import { createConditions } from './condition.ts'
import { createServer, decideOn, type ServerRules, type ToolRule } from './decide.ts'
import { checkHandedOver } from './handed-over.ts'
import { Reads } from './reads.ts'
import { RuleError } from './refusal.ts'
import { compileStartup } from './startup.ts'
import type { CompiledPolicy, CompiledServer, ProviderFacts } from './types.ts'
import { compileWhere } from './where.ts'

/**
 * Compiles the config into a policy that decides without looking at the config again. `facts` are by provider name.
 * Throws JitError `config.invalid` with `details.problems` (file, line, path) for every rule that cannot be compiled.
 */
export function compilePolicy(loaded: LoadedConfig, facts: ReadonlyMap<string, ProviderFacts>, presets: PresetSource): CompiledPolicy {
  const problems = new ProblemList(loaded.file, loaded.source)
  const rules = new Map<string, ServerRules>()
  for (const [name, server] of Object.entries(loaded.config.servers)) {
    rules.set(name, new ServerCompiler(name, server, loaded, facts, presets, problems).compile())
  }
  problems.throwIfAny()
  const servers = new Map<string, CompiledServer>(
    [...rules].map(([name, server]) => [name, createServer(server, digestOfServer(loaded.config, name, presets))]),
  )
  return { digest: loaded.digest, servers, decide: (operation) => decideOn(rules, operation) }
}

/** Of all that shapes one server. */
function digestOfServer({ servers, providers, ttl, lifetime }: Config, name: string, presets: PresetSource): string {
  const server = servers[name]
  const provider = server?.provider === undefined ? undefined : providers[server.provider]
  const preset = server?.preset === undefined ? undefined : presets(server.preset)
  // By way of its text: what is absent in these is absent there.
  return digestOf(JSON.parse(JSON.stringify({ server, provider, preset, ttl, lifetime })))
}

/** Modes in which a local server never holds the secret. In mode header the server is the upstream. */
const holdsNothing: ReadonlySet<string> = new Set(['egress', 'endpoint', 'header'])

class ServerCompiler {
  readonly #name: string
  readonly #server: ServerConfig
  readonly #preset: Preset | undefined
  readonly #problems: ProblemList
  readonly #context: CaseContext
  #shared: { readonly one: CompiledCase | undefined } | undefined

  constructor(
    name: string,
    server: ServerConfig,
    loaded: LoadedConfig,
    facts: ReadonlyMap<string, ProviderFacts>,
    presets: PresetSource,
    problems: ProblemList,
  ) {
    this.#name = name
    this.#server = server
    this.#preset = server.preset === undefined ? undefined : presets(server.preset)
    this.#problems = problems
    const provider = server.provider === undefined ? undefined : facts.get(server.provider)
    if (server.provider !== undefined && provider === undefined)
      this.#problem(['provider'], `the provider ${quote(server.provider)} is not there`)
    if (server.preset !== undefined && this.#preset === undefined) this.#problem(['preset'], `there is no preset ${quote(server.preset)}`)
    const { mode } = server.inject
    if (mode === 'credentials' && provider !== undefined && provider.authentication !== 'aws-sigv4')
      this.#problem(['inject', 'mode'], `mode credentials is for AWS; a provider of kind ${provider.kind} takes egress, endpoint or env`)
    if (mode === 'header' && provider?.authentication === 'aws-sigv4')
      this.#problem(
        ['inject', 'mode'],
        `a provider of kind ${provider.kind} signs requests to AWS; it has no credential that a header could carry to an MCP server`,
      )
    if (provider?.audience === 'origin' && server.url !== undefined && originOf(server.url) !== provider.origin)
      this.#problem(['url'], `the credentials of ${quote(server.provider)} are for ${provider.origin} and for nobody else`)
    if (provider?.longLived === true && !holdsNothing.has(mode)) {
      this.#problem(
        ['inject', 'mode'],
        `mode ${mode} gives the server the secret itself, and that of ${quote(server.provider)} (${provider.kind}) is good for longer than any call; use egress or endpoint, where it holds a placeholder`,
      )
    }
    if (provider !== undefined) this.#attempt(['inject'], () => checkHandedOver(server.inject, provider))
    this.#context = {
      provider: server.provider === undefined || provider === undefined ? undefined : { name: server.provider, facts: provider },
      ttl: server.ttl ?? loaded.config.ttl,
      // A token in a child's environment cannot be taken back, so it lives for one call unless the server says otherwise.
      lifetime: server.lifetime ?? (mode === 'env' ? 'call' : loaded.config.lifetime),
      needsRequests: mode === 'egress' || mode === 'endpoint',
      remote: server.url !== undefined,
      scope: server.scope,
      condition: createConditions(),
    }
  }

  compile(): ServerRules {
    const broken =
      (this.#server.provider !== undefined && this.#context.provider === undefined) ||
      (this.#server.preset !== undefined && this.#preset === undefined)
    if (broken)
      return {
        name: this.#name,
        tools: new Map(),
        where: [],
        startup: undefined,
        shared: undefined,
        origins: new Set(),
        resources: [],
        prompts: [],
      }
    const where =
      this.#attempt(['where'], () => compileWhere(this.#server.where, this.#context.provider?.facts, `servers.${this.#name}.where`)) ?? []
    const rows = new Map<string, CompiledCase[]>()
    for (const tool of Object.keys(this.#server.tools)) rows.set(tool, this.#compileOwn(tool))
    const tools = new Map<string, ToolRule>()
    for (const effect of ['allow', 'ask', 'deny'] as const) {
      for (const [index, tool] of this.#server[effect].entries()) {
        const rule = { source: 'config' as const, path: formatPath(['servers', this.#name, effect, index]) }
        if (effect === 'deny') tools.set(tool, { effect, rule })
        else {
          const cases = this.#casesOf(tool, [effect, index], rows)
          const shared = cases.every((one) => one.free) ? [] : where.map(({ name }) => name.steps)
          tools.set(tool, { effect, rule, cases, reads: Reads.of([...cases.flatMap((one) => one.reads), ...shared]) })
        }
      }
    }
    const startup = this.#compileStartup()
    const shared = this.#compileShared()
    const origins = new Set<string>()
    for (const tool of tools.values())
      if (tool.effect !== 'deny') for (const one of tool.cases) for (const origin of one.origins) origins.add(origin)
    for (const request of startup?.requests ?? []) origins.add(request.origin)
    return { name: this.#name, tools, where, startup, shared, origins, resources: this.#server.resources, prompts: this.#server.prompts }
  }

  /** The cases of a tool that is allowed or asked for; `place` is where it is listed. */
  #casesOf(tool: string, place: ConfigPath, rows: Map<string, CompiledCase[]>): readonly CompiledCase[] {
    const cases = rows.get(tool) ?? this.#compilePreset(tool) ?? this.#compileNone(tool, place)
    rows.set(tool, cases)
    for (const key of Object.keys(this.#server.where)) {
      const [argument = ''] = key.split('.')
      const lacking = cases.some((one) => !one.free && !one.known.has(argument) && one.rule.source !== 'default')
      if (!lacking) continue
      this.#problem(
        place,
        `${quote(tool)} has no argument ${quote(argument)} as far as its row says, so \`where.${key}\` could never hold; say \`where: none\` in its row, or name it under \`arguments\``,
      )
    }
    return cases
  }

  #compileOwn(tool: string): CompiledCase[] {
    const row = this.#server.tools[tool]
    if (row === undefined) return []
    return casesIn(row).flatMap(({ one, index }) => {
      const place = ['tools', tool, ...(index === undefined ? [] : [index])]
      const rule = { source: 'config' as const, path: formatPath(['servers', this.#name, ...place]) }
      return this.#attempt(place, () => compileCase(one, rule, this.#context)) ?? []
    })
  }

  #compilePreset(tool: string): CompiledCase[] | undefined {
    const preset = this.#preset
    if (preset === undefined || !Object.hasOwn(preset.tools, tool)) return undefined
    const row = preset.tools[tool]
    if (row === undefined) return undefined
    return casesIn(row).flatMap(({ one, index }) => {
      const rule = { source: 'preset' as const, path: formatPath([preset.preset, 'tools', tool, ...(index === undefined ? [] : [index])]) }
      return this.#attempt(['preset'], () => compileCase(one, rule, this.#context), rule.path) ?? []
    })
  }

  /** A tool that nobody defined: without a provider, or with a scope of the server, it needs no definition; else it is an error. */
  #compileNone(tool: string, place: ConfigPath): CompiledCase[] {
    if (this.#server.provider !== undefined && this.#server.scope !== undefined) {
      const one = this.#compileShared()
      return one === undefined ? [] : [one]
    }
    if (this.#server.provider !== undefined) {
      const source = this.#preset === undefined ? '' : `, nor in the preset ${this.#preset.preset}`
      const known = [...Object.keys(this.#server.tools), ...Object.keys(this.#preset?.tools ?? {})]
      this.#problem(
        place,
        `${quote(tool)} is not defined under \`tools\`${source}; a tool that needs no credential says \`credential: none\` there${
          this.#server.url === undefined ? '' : ', and a `scope` of the server is that of all tools without a row'
        }`,
        nearest(tool, known),
      )
      return []
    }
    return [compileCase({}, { source: 'default', path: formatPath(['servers', this.#name, ...place]) }, this.#context)]
  }

  /** What the server's own `scope` gives to what names none; an error in it is reported once. */
  #compileShared(): CompiledCase | undefined {
    if (this.#server.scope === undefined || this.#server.provider === undefined) return undefined
    // What arguments its tools have, nobody said: `where` is looked at with the call.
    const rule = { source: 'default' as const, path: formatPath(['servers', this.#name]) }
    this.#shared ??= { one: this.#attempt([], () => compileCase({}, rule, this.#context)) }
    return this.#shared.one
  }

  #compileStartup(): LeaseGrant | undefined {
    const { startup } = this.#server
    if (startup === undefined) return undefined
    return this.#attempt(['startup'], () => compileStartup(startup, this.#context))
  }

  #attempt<T>(place: ConfigPath, compile: () => T, row?: string): T | undefined {
    try {
      return compile()
    } catch (error) {
      if (!(error instanceof RuleError)) throw error
      if (row === undefined) this.#problem([...place, ...error.path], error.message)
      else this.#problem(place, `${row}${error.path.length === 0 ? '' : `.${formatPath(error.path)}`}: ${error.message}`)
      return undefined
    }
  }

  #problem(place: ConfigPath, message: string, nearestName?: string): void {
    this.#problems.add(['servers', this.#name, ...place], message, nearestName)
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}

function casesIn(row: ServerConfig['tools'][string]): { readonly one: ToolCase; readonly index: number | undefined }[] {
  return Array.isArray(row) ? row.map((one, index) => ({ one, index })) : [{ one: row, index: undefined }]
}
