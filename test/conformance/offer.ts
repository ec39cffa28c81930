import { prompts } from './fixtures/prompts.ts'
import { roundPrompt } from './fixtures/rounds.ts'
import { tools } from './fixtures/tools.ts'
import { v2ToolNames } from './fixtures/v2-server.ts'
import type { Suite } from './suites.ts'

/** Names of all that the fixture of a suite offers, for a config that allows it. */
export function fixtureTools({ fixture }: Suite): readonly string[] {
  return fixture === 'v1' ? tools.map(({ name }) => name) : v2ToolNames
}

export function fixturePrompts({ fixture }: Suite): readonly string[] {
  return [...prompts, ...(fixture === 'v1' ? [] : [roundPrompt])].map(({ name }) => name)
}
