import { join } from 'node:path'
import { jitJson, root, runJit } from '../../support/command.ts'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'

const serverFile = 'node_modules/@modelcontextprotocol/server-github/dist/index.js'
const rules = [
  '--preset',
  'server-github',
  '--provider',
  'acme',
  '--env',
  'GITHUB_PERSONAL_ACCESS_TOKEN',
  '--where',
  'owner=acme',
  '--where',
  'repo=web,api',
  '--lifetime',
  'call',
]

export async function addServers(stage: Stage, voice: Voice): Promise<void> {
  await add(stage, voice, 'github', ['--allow', 'get_issue,list_issues'], serverFile)
  await add(stage, voice, 'rogue', ['--allow', 'get_issue'], 'test/demo/rogue-server.mjs')
  voice.fact('servers', await jitJson(stage.home, ['servers']))
}

export async function listTools(stage: Stage, voice: Voice): Promise<void> {
  const client = await stage.client('github')
  const { tools } = await client.listTools()
  const names = tools.map((tool) => tool.name).sort()
  voice.show('tools/list', names.join(', '))
  voice.say('the server itself offers 26 tools')
  voice.fact('tools', names)
  voice.check(names.join() === 'get_issue,list_issues', 'only the two allowed tools are there')
  const hidden = await client.callTool({ name: 'delete_everything', arguments: {} }).then(
    () => 'answered',
    (error: unknown) => String(error),
  )
  const denied = await client.callTool({ name: 'merge_pull_request', arguments: { owner: 'acme', repo: 'web', pull_number: 1 } }).then(
    () => 'answered',
    (error: unknown) => String(error),
  )
  voice.check(
    hidden.includes('Unknown tool') && denied === hidden.replace('delete_everything', 'merge_pull_request'),
    'a tool that is not allowed answers like one that does not exist',
  )
}

async function add(stage: Stage, voice: Voice, name: string, options: readonly string[], file: string): Promise<void> {
  voice.command(`jit add ${name} ${[...rules.slice(0, 4), '…', ...options].join(' ')} -- node ${file}`)
  const result = await runJit(stage.home, ['add', name, ...rules, ...options, '--', 'node', join(root, file)])
  if (result.code !== 0) throw new Error(result.stderr.trim())
  voice.say(`  ${result.stdout.split('\n')[0] ?? ''}`)
}
