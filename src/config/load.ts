import { isJsonObject } from '../core/json.ts'
import { checkConfig } from './check.ts'
import { parseWithRaw } from './parse.ts'
import { ProblemList } from './problems.ts'
import { type Config, injection, type ServerConfig } from './schema.ts'
import type { ConfigCheck, LoadedConfig, PresetSource } from './types.ts'

/**
 * The config of a file's text: parsed, with what presets say about injection filled in where the file says nothing, and
 * checked. Throws JitError `config.invalid` with `details.problems`. Reading the file is the caller's.
 */
export function loadConfig(file: string, text: string, check: ConfigCheck): LoadedConfig {
  const parsed = parseWithRaw(file, text)
  const loaded = { ...parsed.loaded, config: withPresetInjection(parsed.loaded.config, parsed.raw, check.presets) }
  const problems = new ProblemList(file, loaded.source)
  checkConfig(loaded.config, check, problems)
  checkInjected(loaded.config, parsed.raw, problems)
  problems.throwIfAny()
  return loaded
}

function withPresetInjection(config: Config, raw: unknown, presets: PresetSource): Config {
  const servers: [string, ServerConfig][] = []
  for (const [name, server] of Object.entries(config.servers)) {
    const preset = server.preset === undefined ? undefined : presets(server.preset)
    const own = ownInjection(raw, name) ?? {}
    servers.push([
      name,
      preset?.inject === undefined || !isJsonObject(own) ? server : { ...server, inject: injection.parse({ ...preset.inject, ...own }) },
    ])
  }
  return { ...config, servers: Object.fromEntries(servers) }
}

/** What the file itself says of it: a preset's without a provider harms nobody who only wants to see the tools. */
function checkInjected({ servers }: Config, raw: unknown, problems: ProblemList): void {
  for (const [name, { provider }] of Object.entries(servers)) {
    const own = ownInjection(raw, name)
    if (provider !== undefined || !isJsonObject(own)) continue
    const [first] = Object.keys(own)
    if (first !== undefined)
      problems.add(
        ['servers', name, 'inject', first],
        'there is no credential to inject: name a `provider` (`jit login` registers one, `jit providers` lists them)',
      )
  }
}

function ownInjection(raw: unknown, server: string): unknown {
  return member(member(member(raw, 'servers'), server), 'inject')
}

function member(value: unknown, key: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}
