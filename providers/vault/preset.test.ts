import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { loadPresets } from '../../src/config/presets.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { Decision, LeaseGrant } from '../../src/core/types.ts'
import { bindsBody, matchBody, matchRequest } from '../../src/egress/match.ts'
import { readTarget } from '../../src/egress/target.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import { makeOperation } from '../../src/policy/operation.ts'
import { vault } from './index.ts'

const presets = loadPresets(resolve(import.meta.dirname, '../../config/presets'))
const tools = Object.keys(presets('vault-mcp-server')?.tools ?? {})
const origin = 'https://vault.test:8200'
const text = `version: 1
providers:
  team: { kind: vault, address: "${origin}" }
servers:
  secrets:
    run: [vault-mcp-server, stdio]
    provider: team
    preset: vault-mcp-server
    where: { mount: [web, pki] }
    allow: [${tools.join(', ')}]
`
const policy = compilePolicy(
  loadConfig('jit.yaml', text, { kinds: new Map([['vault', vault.config]]), presets }),
  new Map([
    [
      'team',
      { kind: 'vault', origin, parseScope: (scope: JsonObject) => vault.scope.parse(scope), checkField: vault.checkField.bind(vault) },
    ],
  ]),
  presets,
)

function decide(tool: string, args: JsonObject): Decision {
  return policy.decide(makeOperation({ server: 'secrets', kind: 'tool', name: tool, args, definition: '' }))
}

function leaseOf(decision: Decision): LeaseGrant {
  if (decision.effect === 'deny') throw new Error(decision.reason)
  if (decision.grant.credential !== 'lease') throw new Error('no lease')
  return decision.grant
}

type Sent = readonly [method: string, target: string, body?: Json]

function admits(grant: LeaseGrant, [method, target, body]: Sent): boolean {
  const wire = readTarget(method, origin, target)
  return (
    wire !== undefined &&
    grant.requests.some(
      (rule) =>
        matchRequest(rule, wire, new Map()) && (!bindsBody(rule) || (body !== undefined && matchBody(rule, { kind: 'json', value: body }))),
    )
  )
}

const at = { mount: 'web', path: 'app/db' }
const role = { mount: 'pki', role_name: 'short' }
const flags = { allow_any_name: false, allow_glob_domains: false, allow_ip_sans: true, max_ttl: '1h' }
const mounts: Sent = ['GET', '/v1/sys/mounts']
const read: Sent = ['GET', '/v1/web/data/app/db']

/** What the program itself sent for these arguments, recorded from commit 8d1967b. */
const recorded: [tool: string, args: JsonObject, policy: string, sent: readonly Sent[]][] = [
  ['list_mounts', {}, 'mcp-mounts', [mounts]],
  ['read_secret', at, 'mcp-read-web', [mounts, read]],
  ['list_secrets', { mount: 'web' }, 'mcp-list-web', [mounts, ['GET', '/v1/web/metadata?list=true']]],
  ['list_secrets', { mount: 'web', path: '' }, 'mcp-list-web', [mounts, ['GET', '/v1/web/metadata?list=true']]],
  ['list_secrets', { mount: 'web', path: 'app' }, 'mcp-list-web', [mounts, ['GET', '/v1/web/metadata/app?list=true']]],
  [
    'write_secret',
    { ...at, key: 'k', value: 'v' },
    'mcp-write-web',
    [mounts, read, ['PUT', '/v1/web/data/app/db', { data: { k: 'v', password: 'x' }, metadata: { version: 1 } }]],
  ],
  ['delete_secret', { ...at, key: 'k' }, 'mcp-delete-web', [mounts, read, ['PUT', '/v1/web/data/app/db', { data: { password: 'x' } }]]],
  ['delete_secret', { ...at, key: '' }, 'mcp-delete-web', [mounts, read, ['DELETE', '/v1/web/data/app/db']]],
  ['list_pki_issuers', { mount: 'pki' }, 'mcp-pki-read-pki', [mounts, ['GET', '/v1/pki/issuers?list=true']]],
  [
    'read_pki_issuer',
    { mount: 'pki', issuer_name: 'main' },
    'mcp-pki-read-pki',
    [mounts, ['GET', '/v1/pki/issuers?list=true'], ['GET', '/v1/pki/issuer/i1']],
  ],
  ['list_pki_roles', { mount: 'pki' }, 'mcp-pki-read-pki', [mounts, ['GET', '/v1/pki/roles?list=true']]],
  ['read_pki_role', role, 'mcp-pki-read-pki', [mounts, ['GET', '/v1/pki/roles/short']]],
  [
    'create_pki_role',
    { ...role, ...flags, allowed_domains: 'acme.test' },
    'mcp-pki-roles-pki',
    [mounts, ['PUT', '/v1/pki/roles/short', { ...flags, role_name: 'short', allowed_domains: ['acme.test'] }]],
  ],
  [
    'create_pki_role',
    { ...role, ...flags },
    'mcp-pki-roles-pki',
    [mounts, ['PUT', '/v1/pki/roles/short', { ...flags, role_name: 'short', allowed_domains: null }]],
  ],
  ['delete_pki_role', role, 'mcp-pki-roles-pki', [mounts, ['DELETE', '/v1/pki/roles/short']]],
  [
    'issue_pki_certificate',
    { ...role, common_name: 'a.acme.test', ttl: '1h' },
    'mcp-pki-issue-pki',
    [mounts, ['PUT', '/v1/pki/issue/short', { common_name: 'a.acme.test', ttl: '1h' }]],
  ],
  [
    'issue_pki_certificate',
    { ...role, common_name: 'a.acme.test' },
    'mcp-pki-issue-pki',
    [mounts, ['PUT', '/v1/pki/issue/short', { common_name: 'a.acme.test', ttl: '' }]],
  ],
]

describe('the preset vault-mcp-server', () => {
  it('knows each tool that it admits', () => {
    expect(new Set(recorded.map(([tool]) => tool))).toEqual(new Set(tools))
  })

  it.each(recorded)('%s %j asks for %s and admits what the program sends', (tool, args, name, sent) => {
    const grant = leaseOf(decide(tool, args))
    expect(grant.scope).toEqual({ policies: [name] })
    for (const request of sent) expect(admits(grant, request), request.join(' ')).toBe(true)
  })

  it.each<[string, JsonObject, Sent]>([
    ['read_secret', at, ['GET', '/v1/web/data/app/other']],
    ['read_secret', at, ['GET', '/v1/web/data/APP/db']],
    ['read_secret', at, ['GET', '/v1/web/data/app/db?version=1']],
    ['read_secret', at, ['GET', '/v1/web/metadata/app/db']],
    ['read_secret', at, ['PUT', '/v1/web/data/app/db', { data: {} }]],
    ['read_secret', at, ['GET', '/v1/web/data/app/db/../other']],
    ['read_secret', at, ['GET', '/v1/auth/token/lookup-self']],
    ['read_secret', at, ['PUT', '/v1/auth/token/create', {}]],
    ['list_secrets', { mount: 'web' }, ['GET', '/v1/web/metadata']],
    ['delete_secret', { ...at, key: '' }, ['DELETE', '/v1/web/metadata/app/db']],
    [
      'issue_pki_certificate',
      { ...role, common_name: 'a.acme.test' },
      ['PUT', '/v1/pki/issue/short', { common_name: 'a.acme.test', ttl: '', alt_names: 'evil.test' }],
    ],
    [
      'create_pki_role',
      { ...role, ...flags, allowed_domains: 'acme.test' },
      ['PUT', '/v1/pki/roles/short', { ...flags, role_name: 'short', allowed_domains: ['evil.test'] }],
    ],
  ])('%s %j does not admit %j', (tool, args, request) => {
    expect(admits(leaseOf(decide(tool, args)), request)).toBe(false)
  })

  it.each<[string, JsonObject]>([
    ['read_secret', { mount: 'other', path: 'app' }],
    ['read_secret', { mount: 'web/', path: 'app' }],
    ['read_secret', { mount: 'web', path: '../../sys/raw' }],
    ['read_secret', { mount: 'web', path: 'app/%2e%2e/db' }],
    ['read_secret', { mount: 'web', path: 'app//db' }],
    ['read_secret', { mount: 'web', path: '*' }],
    ['read_secret', { mount: 'web', path: '' }],
    ['delete_secret', at],
    ['create_pki_role', { ...role, ...flags, allowed_domains: 'acme.test,evil.test' }],
    ['create_pki_role', role],
    ['create_mount', { type: 'kv2', path: 'web' }],
    ['delete_mount', { path: 'web' }],
  ])('denies %s %j', (tool, args) => {
    expect(decide(tool, args).effect).toBe('deny')
  })
})
