import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspect } from '../support/inspector.ts'
import { configureServers, githubServer, login, serverFilesystem, serverMemory } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

/** A client nobody here wrote: the MCP Inspector's command line, in front of servers nobody here wrote. */
describe('the Inspector through jit', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    await configureServers(
      stage,
      `${githubServer('github')}  files:
    run: [node, ${JSON.stringify(serverFilesystem)}, ${JSON.stringify(stage.home)}]
    allow: [list_allowed_directories, get_file_info]
  memory:
    run: [node, ${JSON.stringify(serverMemory)}]
    env: { MEMORY_FILE_PATH: ${JSON.stringify(join(stage.home, 'memory.json'))} }
    allow: [create_entities, read_graph]
`,
    )
  })
  afterAll(async () => {
    await stage.close()
  })

  it('lists the allowed tools of server-github', async () => {
    const { stdout } = await inspect(stage.home, 'github', ['--method', 'tools/list'])
    expect([...stdout.matchAll(/"name": ?"([a-z_]+)"/g)].map((match) => match[1]).sort()).toEqual(['get_issue', 'list_issues'])
  })

  it('reads an issue', async () => {
    const { stdout } = await inspect(stage.home, 'github', [
      '--method',
      'tools/call',
      '--tool-name',
      'get_issue',
      '--tool-args-json',
      '{"owner":"acme","repo":"web","issue_number":42}',
    ])
    expect(stdout).toContain('42')
    expect(stdout).not.toContain('"isError": true')
  })

  it('is told why another repository is denied, by exit code 5', async () => {
    const result = await inspect(stage.home, 'github', [
      '--method',
      'tools/call',
      '--tool-name',
      'get_issue',
      '--tool-args-json',
      '{"owner":"acme","repo":"secret","issue_number":1}',
    ])
    expect(result.code).toBe(5)
    expect(result.stdout + result.stderr).toContain('secret')
  })

  it('works with server-filesystem and server-memory, which need no credential', async () => {
    const files = await inspect(stage.home, 'files', ['--method', 'tools/call', '--tool-name', 'list_allowed_directories'])
    expect(files.stdout).toContain(stage.home)
    const memory = await inspect(stage.home, 'memory', [
      '--method',
      'tools/call',
      '--tool-name',
      'create_entities',
      '--tool-args-json',
      '{"entities":[{"name":"web","entityType":"repository","observations":["has issue 42"]}]}',
    ])
    expect(memory.stdout).toContain('has issue 42')
  })
})
