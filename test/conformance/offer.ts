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

/** Tools of server-everything that tests allow; `get-env` is none of them. */
export const toolsOfEverything = [
  'echo',
  'get-annotated-message',
  'get-resource-links',
  'get-resource-reference',
  'get-roots-list',
  'get-structured-content',
  'get-sum',
  'get-tiny-image',
  'simulate-research-query',
  'toggle-simulated-logging',
  'toggle-subscriber-updates',
  'trigger-elicitation-request',
  'trigger-long-running-operation',
  'trigger-sampling-request',
  'trigger-url-elicitation',
]
