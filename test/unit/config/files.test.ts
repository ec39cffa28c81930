import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { configJsonSchema } from '../../../src/config/json-schema.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { loadPresets } from '../../../src/config/presets.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { compilePolicy } from '../../../src/policy/compile.ts'
import { providers } from '../../../providers/index.ts'
import type { ProviderPlugin } from '../../../src/provider/contract.ts'
import type { ProviderFacts } from '../../../src/policy/types.ts'
import { leaseOf, toolCall } from '../policy/support.ts'

const folder = resolve(import.meta.dirname, '../../../config')
const presets = loadPresets(`${folder}/presets`)
const kinds = new Map<string, z.ZodType>(providers.map((plugin) => [plugin.kind, plugin.config]))
const text = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8')

describe('the config files that are shipped', () => {
  it.each(['jit.example.yaml', 'jit.full.yaml'])('%s loads and compiles', (name) => {
    const loaded = loadConfig(name, text(name), { kinds, presets })
    const policy = compilePolicy(
      loaded,
      new Map(
        Object.entries({ acme: 'github-app', prod: 'aws-sts', secrets: 'vault', tracker: 'oauth', gitlab: 'static' }).map(([key, kind]) => [
          key,
          realFacts(kind),
        ]),
      ),
      presets,
    )
    expect(leaseOf(policy.decide(toolCall('github', 'get_issue', { owner: 'acme', repo: 'web', issue_number: 1 }))).scope).toEqual({
      repositories: ['acme/web'],
      permissions: { issues: 'read' },
    })
  })

  it('jit.full.yaml shows every option that the schema knows', () => {
    const missing = schemaKeys(configSchema).filter((key) => !new RegExp(`(^|[\\s{,])"?${key}"?:`, 'm').test(text('jit.full.yaml')))
    expect(missing).toEqual([])
    expect(schemaKeys(configSchema).length).toBeGreaterThan(50)
  })

  it('jit.full.yaml shows the defaults as they are', () => {
    const full = configSchema.parse(parse(text('jit.full.yaml')))
    const empty = configSchema.parse({ version: 1 })
    for (const key of ['ttl', 'lifetime', 'approvals', 'audit', 'limits'] as const) expect(full[key]).toEqual(empty[key])
  })

  it('jit.schema.json is what the code says: npm run reference writes it', () => {
    expect(text('jit.schema.json')).toBe(`${JSON.stringify(configJsonSchema(kinds), null, 2)}\n`)
  })

  it('kinds.json is what the code says: npm run reference writes it', () => {
    const known = JSON.parse(text('kinds.json'))
    expect(known.map(({ kind, login, example }: ProviderPlugin) => ({ kind, login, example }))).toEqual(
      providers.map(({ kind, login, example }) => ({ kind, login, example })),
    )
  })

  it('the JSON Schema describes each kind of provider by its own schema', () => {
    const schema = JSON.stringify(configJsonSchema(kinds))
    for (const kind of kinds.keys()) expect(schema).toContain(`"kind":{"const":"${kind}"}`)
    expect(schema).toContain('"required":["kind","appId","installation"]')
  })

  it('a preset must be called like its file', () => {
    expect(presets.names).toContain('server-github')
    expect(presets('nonsense')).toBeUndefined()
  })
})

/** Every key that a map in the schema names, wherever it stands. */
function schemaKeys(schema: z.ZodType): string[] {
  const keys = new Set<string>()
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) walk(item)
    if (typeof node !== 'object' || node === null || Array.isArray(node)) return
    for (const [name, value] of Object.entries(node)) {
      if (name === 'properties' && typeof value === 'object' && value !== null) for (const key of Object.keys(value)) keys.add(key)
      walk(value)
    }
  }
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
  return [...keys]
}

/** The facts of a built-in kind, without opening it. */
function realFacts(kind: string): ProviderFacts {
  const plugin = providers.find((candidate) => candidate.kind === kind)
  if (plugin === undefined) throw new Error(`no kind ${kind}`)
  return {
    kind,
    origin: 'https://api.github.com',
    authentication: plugin.authentication ?? 'token',
    parseScope: (scope) => plugin.scope.parse(scope),
    checkField: (path, value) => plugin.checkField(path, value),
  }
}
