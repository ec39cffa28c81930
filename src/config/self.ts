import { type Config, server, type ServerConfig } from './schema.ts'

/** The server that answers for jit itself, behind `jit connect jit`. No other may have the name. */
export const selfServer = 'jit'

/** Its tools by what `self:` of the config lets them do; each level has those of the ones before. */
export const selfTools = {
  read: ['what_may_i_do', 'explain_call', 'why_was_i_denied'],
  propose: ['propose_rule', 'my_proposals'],
} as const

export type SelfTool = (typeof selfTools)[keyof typeof selfTools][number]

const known = new WeakMap<Config, Config>()

/** The config as it runs: with jit's own server among the others, so that policy governs it as it does them. */
export function withSelf(config: Config): Config {
  if (config.self === 'off') return config
  const before = known.get(config)
  if (before !== undefined) return before
  const made = { ...config, servers: { ...config.servers, [selfServer]: entryFor(config.self) } }
  known.set(config, made)
  return made
}

function entryFor(level: 'read' | 'propose'): ServerConfig {
  return server.parse({ allow: [...selfTools.read, ...(level === 'propose' ? selfTools.propose : [])] })
}
