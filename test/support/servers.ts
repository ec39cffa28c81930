import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, runJit } from './command.ts'
import type { Stage } from './stage.ts'

export const serverGithub = join(root, 'node_modules/@modelcontextprotocol/server-github/dist/index.js')
export const serverEverything = join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')
export const serverFilesystem = join(root, 'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js')
export const serverMemory = join(root, 'node_modules/@modelcontextprotocol/server-memory/dist/index.js')

/** Runs a command that must succeed. */
export async function must(stage: Pick<Stage, 'home'>, args: readonly string[]): Promise<string> {
  const result = await runJit(stage.home, args)
  if (result.code !== 0) throw new Error(`jit ${args.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`)
  return result.stdout
}

/** Registers the stand-in's App as provider `acme`. */
export async function login(stage: Stage): Promise<void> {
  await must(stage, [
    'login',
    'github-app',
    'acme',
    '--app-id',
    String(stage.appId),
    '--installation',
    'acme',
    '--private-key',
    stage.keyFile,
  ])
}

/** Writes the `servers:` part of the config file (YAML, indented by two) and lets it take effect. */
export async function configureServers(stage: Pick<Stage, 'home'>, servers: string): Promise<void> {
  const file = join(stage.home, 'jit.yaml')
  const text = readFileSync(file, 'utf8')
  const before = text.includes('\nservers:') ? text.slice(0, text.indexOf('\nservers:') + 1) : `${text.trimEnd()}\n`
  writeFileSync(file, `${before}servers:\n${servers}`)
  await must(stage, ['config', 'apply', '--yes'])
}

/** npm's server-github behind provider `acme`, on acme/web and acme/api. */
export function githubServer(
  name: string,
  options: { lifetime?: 'call' | 'ttl'; ttl?: string; allow?: string; ask?: string } = {},
): string {
  return `  ${name}:
    run: [node, ${JSON.stringify(serverGithub)}]
    provider: acme
    preset: server-github
    inject: { mode: egress, env: GITHUB_PERSONAL_ACCESS_TOKEN }
    where: { owner: acme, repo: [web, api] }
    allow: [${options.allow ?? 'get_issue, list_issues'}]
    ask: [${options.ask ?? ''}]
    lifetime: ${options.lifetime ?? 'ttl'}
    ttl: ${options.ttl ?? '5m'}
`
}
