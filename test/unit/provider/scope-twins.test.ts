import fc, { type Arbitrary } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pem } from '../../../providers/github-app/fake/registration.ts'
import { githubApp } from '../../../providers/github-app/index.ts'
import { isWithin } from '../../../providers/aws-sts/policy.ts'
import { readStatements } from '../../../providers/aws-sts/scope.ts'
import { covers as mcpCovers } from '../../../providers/mcp/scope.ts'
import { covers as oauthCovers } from '../../../providers/oauth/granted.ts'
import { staticKey } from '../../../providers/static/index.ts'
import { covers as vaultCovers } from '../../../providers/vault/scope.ts'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { cases } from '../../support/cases.ts'
import { testHost } from '../../support/provider-host.ts'

/** One provider's notion of what a scope permits, written once more without its cleverness. */
interface Twin {
  covers(granted: JsonObject, asked: JsonObject): boolean
  /** Scopes that differ a little from each other. */
  readonly scope: Arbitrary<JsonObject>
  /** What a faithful upstream says it granted for the scope. */
  exactly(asked: JsonObject): JsonObject
  /** Everything that the grant permits, one by one; `all` is more than any scope. */
  permits(granted: JsonObject): readonly string[]
  /** Whether somebody who asked for this may do that. */
  allows(asked: JsonObject, permit: string): boolean
  /** What upstreams say beside it, or in place of it. */
  readonly odd?: Arbitrary<JsonObject>
}

const all = 'all'
const some = (...values: readonly string[]): Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 })
const texts = (value: Json | undefined): string[] => (Array.isArray(value) ? value.map(String) : [])
const objects = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : [])
const whole = (asked: JsonObject): JsonObject => asked

const levels = ['read', 'write', 'admin']
const github: Twin = {
  covers: githubApp.open({ appId: 1, installation: 'acme', apiUrl: 'https://api.github.com' }, testHost({ privateKey: pem })).covers,
  scope: fc.oneof({ weight: 8, arbitrary: githubScope(levels) }, { weight: 1, arbitrary: fc.constant<JsonObject>({ public: true }) }),
  odd: fc.oneof(
    githubScope([...levels, 'none', 'maintain', 'READ', '']),
    fc.constantFrom<JsonObject>({ selection: 'all' }, { selection: '' }, { repositories: [] }, { permissions: {} }),
  ),
  exactly: (asked) => ({
    repositories: asked['repositories'] ?? ['acme/web'],
    permissions: { metadata: 'read', ...(isJsonObject(asked['permissions']) ? asked['permissions'] : {}) },
    selection: 'selected',
  }),
  permits(granted) {
    const { repositories, permissions, selection } = granted
    if (selection !== 'selected' || !isJsonObject(permissions) || texts(repositories).length === 0) return [all]
    return texts(repositories).flatMap((repository) =>
      Object.entries(permissions).flatMap(([name, level]) =>
        levels.includes(String(level))
          ? levels.slice(0, levels.indexOf(String(level)) + 1).map((one) => `${repository.toLowerCase()} ${name} ${one}`)
          : [`${repository.toLowerCase()} ${name} ${String(level)}`],
      ),
    )
  },
  allows(asked, permit) {
    const [repository = '', name = '', level = ''] = permit.split(' ')
    const { permissions } = asked
    if ('public' in asked) return name === 'metadata' && level === 'read'
    if (!texts(asked['repositories']).some((one) => one.toLowerCase() === repository)) return false
    if (name === 'metadata' && level === 'read') return true
    const most = isJsonObject(permissions) && Object.hasOwn(permissions, name) ? levels.indexOf(String(permissions[name])) : -1
    return levels.includes(level) && levels.indexOf(level) <= most
  },
}

function githubScope(known: readonly string[]): Arbitrary<JsonObject> {
  return fc.record({
    repositories: some('acme/web', 'acme/Web', 'acme/web-', 'acme/we', 'acme/api', 'acme2/web', 'acme/web.git'),
    permissions: fc.dictionary(fc.constantFrom('issues', 'issue', 'contents', 'metadata', 'constructor'), fc.constantFrom(...known), {
      minKeys: 1,
    }),
  })
}

const permitting = new Set(['locations', 'actions', 'datatypes', 'privileges'])
const detail: Arbitrary<JsonObject> = fc.record(
  {
    type: fc.constantFrom('repository', 'Repository', 'repo'),
    actions: some('read', 'write', 'Read'),
    locations: some('https://a.dev', 'https://a.dev/'),
    datatypes: some('issues', 'issue'),
    except: some('secret', 'private'),
    identifier: fc.constantFrom('web', 'Web', 'web-'),
  },
  { requiredKeys: ['type'] },
)
const oauth: Twin = {
  covers: oauthCovers,
  scope: fc.record(
    {
      scopes: some('issues:read', 'issues:Read', 'issues:rea', 'issues', 'issues:read:all'),
      resource: some(
        'https://api.example.com',
        'https://api.example.com/',
        'https://api.example.com:443',
        'https://api.example.com.evil.dev',
      ),
      audience: some('api', 'Api', 'api2'),
      authorization_details: fc.array(detail, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: ['scopes'] },
  ),
  odd: fc.oneof(
    fc.constantFrom<JsonObject>({ scopes: [] }, { resource: [] }, { audience: [] }, { authorization_details: [] }),
    fc.record({
      authorization_details: fc.array(
        fc.oneof(
          detail,
          detail.map((one) => ({ ...one, actions: [] })),
        ),
        { maxLength: 2 },
      ),
    }),
  ),
  exactly: (asked) => ({ scopes: [], resource: [], audience: [], authorization_details: [], ...asked }),
  permits: (granted) => [
    ...['scopes', 'resource', 'audience'].flatMap((field) => {
      const values = texts(granted[field])
      return values.length === 0 ? [`${field} ${all}`] : values.map((value) => `${field} ${value}`)
    }),
    ...(objects(granted['authorization_details']).length === 0
      ? [`detail ${all}`]
      : objects(granted['authorization_details']).map((one) => `detail ${canonicalJson(one)}`)),
  ],
  allows(asked, permit) {
    const [field = '', ...rest] = permit.split(' ')
    const value = rest.join(' ')
    if (field !== 'detail') return value === all ? asked[field] === undefined : texts(asked[field]).includes(value)
    const wanted = objects(asked['authorization_details'])
    if (value === all) return wanted.length === 0
    const given: JsonObject = JSON.parse(value)
    return wanted.some((one) =>
      [...new Set([...Object.keys(one), ...Object.keys(given)])].every((key) => {
        // Without the list there is no limit.
        if (permitting.has(key) && one[key] === undefined) return true
        if (permitting.has(key)) return texts(given[key]).length > 0 && texts(given[key]).every((item) => texts(one[key]).includes(item))
        return canonicalJson(one[key] ?? null) === canonicalJson(given[key] ?? null)
      }),
    )
  },
}

const mcp: Twin = {
  covers: mcpCovers,
  scope: fc.record(
    {
      resource: fc.constantFrom(
        'https://mcp.example.com/mcp',
        'https://mcp.example.com/MCP',
        'https://mcp.example.com/mcp2',
        'https://mcp.example.com',
      ),
      scopes: some('read', 'Read', 'reads', 'write'),
    },
    { requiredKeys: ['resource'] },
  ),
  odd: fc.constantFrom<JsonObject>({ scopes: [] }, { more: true }),
  exactly: (asked) => ({ scopes: ['read', 'write'], ...asked }),
  permits({ resource, scopes }) {
    const values = texts(scopes)
    return (values.length === 0 ? [all] : values).map((scope) => `${String(resource)} ${scope}`)
  },
  allows(asked, permit) {
    const [resource, scope = ''] = permit.split(' ')
    return resource === asked['resource'] && (asked['scopes'] === undefined || texts(asked['scopes']).includes(scope))
  },
}

const vault: Twin = {
  covers: vaultCovers,
  scope: fc.oneof(
    fc.record({ policies: some('web', 'web-', 'we', 'web.read'), uses: fc.integer({ min: 1, max: 3 }) }, { requiredKeys: ['policies'] }),
    fc.record(
      {
        dynamic: fc.constantFrom('database/creds/web', 'database/creds/Web', 'database/creds/web-', 'database/creds'),
        parameters: fc.dictionary(fc.constantFrom('ttl', 'role', 'a'), fc.constantFrom<Json>('1h', '1', 1, true, 'true'), { minKeys: 1 }),
      },
      { requiredKeys: ['dynamic'] },
    ),
    fc.record(
      {
        paths: fc.array(
          fc.record({
            path: fc.oneof(
              fc.constantFrom('secret/data/web', 'secret/data/Web', 'secret/data/web/x'),
              fc.constantFrom(['secret', 'data', 'web'], ['secret', 'data/web']),
            ),
            capabilities: some('read', 'list', 'update'),
          }),
          { minLength: 1, maxLength: 2 },
        ),
        uses: fc.integer({ min: 1, max: 3 }),
      },
      { requiredKeys: ['paths'] },
    ),
  ),
  odd: fc.constantFrom<JsonObject>({ uses: 0 }, { uses: 4 }, { policies: ['root'] }, { policies: [] }, { parameters: {} }, { more: true }),
  exactly: (asked) => ('paths' in asked ? { ...asked, policy: 'jit-lease' } : asked),
  permits(granted) {
    const uses = granted['uses'] === undefined || Number(granted['uses']) < 1 ? ['uses 1000000'] : [`uses ${String(granted['uses'])}`]
    if ('dynamic' in granted) return [`dynamic ${String(granted['dynamic'])} ${canonicalJson(granted['parameters'] ?? {})}`]
    const paths = objects(granted['paths']).flatMap(({ path, capabilities }) =>
      texts(capabilities).map((one) => `path ${one} ${Array.isArray(path) ? path.join('/') : String(path)}`),
    )
    return [...uses, ...texts(granted['policies']).map((name) => `policy ${name}`), ...paths]
  },
  allows(asked, permit) {
    const [kind = '', value = ''] = permit.split(' ')
    if (kind === 'uses') return asked['uses'] === undefined || Number(value) <= Number(asked['uses'])
    return vault.permits(asked).includes(permit)
  },
}

const aws: Twin = {
  covers(granted, asked) {
    const { session: _, ...scope } = granted
    const [given, wanted] = [readStatements(scope), readStatements(asked)]
    return given !== undefined && wanted !== undefined && isWithin(given, wanted)
  },
  scope: fc.oneof(statement(), fc.record({ statements: fc.array(statement(), { minLength: 1, maxLength: 2 }) })),
  odd: fc.constantFrom<JsonObject>({ resources: ['*'] }, { conditions: {} }, { statements: [] }),
  exactly: (asked) => ({ ...asked, session: 'AROA:jit' }),
  permits: (granted) =>
    statementsOf(granted).flatMap(({ actions, resources, conditions }) =>
      texts(actions).flatMap((action) => texts(resources).map((resource) => `${action} ${resource} ${canonicalJson(conditions ?? {})}`)),
    ),
  allows: (asked, permit) => aws.permits(asked).includes(permit),
}

function statementsOf(scope: JsonObject): JsonObject[] {
  return 'statements' in scope ? objects(scope['statements']) : [scope]
}

function statement(): Arbitrary<JsonObject> {
  const bucket = 'arn:aws:s3:::acme-reports'
  return fc.record(
    {
      actions: some('s3:GetObject', 's3:PutObject', 's3:GetObjectVersion'),
      resources: some(
        `${bucket}/2026/q1.csv`,
        `${bucket}/2026/Q1.csv`,
        `${bucket}/2026/q1.csv2`,
        `${bucket}-2/2026/q1.csv`,
        `${bucket}/2026//q1.csv`,
      ),
      conditions: fc.constantFrom<Json>(
        { Bool: { 'aws:SecureTransport': 'true' } },
        { Bool: { 'aws:SecureTransport': 'false' } },
        { BoolIfExists: { 'aws:SecureTransport': 'true' } },
      ),
    },
    { requiredKeys: ['actions', 'resources'] },
  )
}

const key: Twin = {
  covers: staticKey.open({ origin: 'https://api.dev', maxTtl: 1000 }, testHost({ key: 'a-key-of-some-length' })).covers,
  scope: fc.record({ about: fc.constantFrom('web', 'Web', 'web ', 'we b', 'web2', 'wéb', 'we\u0301b') }),
  exactly: whole,
  permits: ({ about }) => [String(about)],
  allows: (asked, permit) => asked['about'] === permit,
}

/** Each field from the one or the other, and of lists a part. */
function mixed(one: JsonObject, other: JsonObject, picks: readonly boolean[]): JsonObject {
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  return Object.fromEntries(
    keys.flatMap((name, index): [string, Json][] => {
      const value = picks[index % picks.length] === true ? (one[name] ?? other[name]) : (other[name] ?? one[name])
      if (value === undefined) return []
      const part = picks[(index + 3) % picks.length] === true && Array.isArray(value) && value.length > 1 ? value.slice(1) : value
      return [[name, part]]
    }),
  )
}

describe.each(Object.entries({ github, oauth, mcp, vault, aws, static: key }))('scopes of %s that differ a little', (_, twin) => {
  const picks = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })
  const pair = fc
    .tuple(twin.scope, twin.scope, picks, fc.option(twin.odd ?? twin.scope, { freq: 3 }))
    .map(([asked, other, picked, odd]) => {
      const granted = mixed(twin.exactly(asked), twin.exactly(other), picked)
      return { asked, granted: odd === null || picked[0] === true ? granted : { ...granted, ...odd } }
    })

  it('cover each other only where a naive twin finds nothing beyond', () => {
    let covered = 0
    fc.assert(
      fc.property(pair, ({ asked, granted }) => {
        if (!twin.covers(granted, asked)) return
        covered += 1
        expect(twin.permits(granted).filter((permit) => permit === all || !twin.allows(asked, permit))).toEqual([])
      }),
      { numRuns: cases(400) },
    )
    expect(covered, 'some are covered').toBeGreaterThan(0)
  })

  it('are covered by just what was asked, and share no key of a lease', () => {
    fc.assert(
      fc.property(twin.scope, twin.scope, (asked, other) => {
        expect([asked, twin.covers(twin.exactly(asked), asked)]).toEqual([asked, true])
        if (canonicalJson(asked) === canonicalJson(other)) expect(new Set(twin.permits(asked))).toEqual(new Set(twin.permits(other)))
        if (canonicalJson(asked) === canonicalJson(other)) expect(asked).toEqual(other)
      }),
      { numRuns: cases(200) },
    )
  })
})
