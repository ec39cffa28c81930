import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { lastCall, readRecords } from '../demo/trail.ts'
import { runJit } from '../support/command.ts'
import { configureServers, must } from '../support/servers.ts'
import { callTool, connect } from './call.ts'
import { findPostgresql, type Postgresql, startPostgresql } from './postgresql.ts'
import { findProgram } from './programs.ts'
import { startVault, type Vault } from './vault.ts'

const program = findProgram('vault')
const mcp = findProgram('vault-mcp-server')
const postgresql = findPostgresql()

/** As providers/vault/README.md gives it. */
const brokerPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "auth/token/create/jit" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "database/creds/readonly" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/policies/acl/jit-lease_*" { capabilities = ["create", "update", "delete"] }
`
const policies = {
  'jit-broker': brokerPolicy,
  'mcp-mounts': 'path "sys/mounts" { capabilities = ["read"] }',
  'mcp-read-secret': 'path "sys/mounts" { capabilities = ["read"] }\npath "secret/data/*" { capabilities = ["read"] }',
  'mcp-list-secret':
    'path "sys/mounts" { capabilities = ["read"] }\npath "secret/metadata" { capabilities = ["list"] }\npath "secret/metadata/*" { capabilities = ["list"] }',
  'mcp-write-secret': 'path "sys/mounts" { capabilities = ["read"] }\npath "secret/data/*" { capabilities = ["create", "read", "update"] }',
  'mcp-delete-secret':
    'path "sys/mounts" { capabilities = ["read"] }\npath "secret/data/*" { capabilities = ["read", "update", "delete"] }',
}
const value = z.object({ data: z.looseObject({ data: z.record(z.string(), z.string()) }) })
const roleId = z.object({ data: z.object({ role_id: z.string() }) })
const secretId = z.object({ data: z.object({ secret_id: z.string() }) })
const shown = z.object({ data: z.object({ display_name: z.string() }) })
const listed = z.object({ data: z.object({ keys: z.array(z.string()) }) })
const policyText = z.object({ data: z.object({ policy: z.string() }) })
const leases = z.array(z.looseObject({ server: z.string() }))
const kept = z.object({ user: z.string(), password: z.string() })
const revoked = z.object({ receipts: z.array(z.looseObject({ outcome: z.string(), verified: z.boolean().optional() })) })

/** The same program without a rule for paths, and with other policies: one too narrow, one that nobody gives out, one per call. */
function otherServer(name: string): string {
  const scope = {
    narrow: 'policies: [mcp-mounts]',
    wide: 'policies: [jit-broker]',
    exact: 'paths: [{ path: sys/mounts, capabilities: [read] }, { path: ["${args.mount}", data, "${args.path}"], capabilities: [read] }]',
  }[name]
  const row = `    tools:
      read_secret:
        scope: { ${scope} }
        requests: [GET /v1/sys/mounts, "GET /v1/\${args.mount}/data/\${args.path...}"]
`
  return `  ${name}:
    run: [${JSON.stringify(mcp)}, stdio]
    provider: team
    preset: vault-mcp-server
    where: { mount: secret }
    allow: [read_secret]
${scope === undefined ? '' : row}`
}

/** The broker's own login, the policies to give out, and a secret. Answers with the login. */
async function furnish(vault: Vault, database: Postgresql): Promise<{ role: string; secret: string }> {
  await vault.ask('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } })
  await vault.ask('POST', 'sys/mounts/database', { type: 'database' })
  await vault.ask('POST', 'sys/auth/approle', { type: 'approle' })
  for (const [name, policy] of Object.entries(policies)) await vault.ask('PUT', `sys/policies/acl/${name}`, { policy })
  await vault.ask('POST', 'auth/token/roles/jit', {
    allowed_policies_glob: 'mcp-*,jit-lease_*',
    token_type: 'service',
    renewable: false,
    token_explicit_max_ttl: '1h',
  })
  await vault.ask('POST', 'auth/approle/role/jit', { token_policies: 'jit-broker', token_type: 'service', token_ttl: '1h' })
  await vault.ask('POST', 'secret/data/apps/web', { data: { colour: 'blue' } })
  await vault.ask('POST', 'secret/data/apps/payroll', { data: { bonus: 'everybody' } })
  await vault.ask('POST', 'database/config/acme', {
    plugin_name: 'postgresql-database-plugin',
    allowed_roles: ['readonly'],
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${database.port}/postgres?sslmode=disable`,
    username: database.admin.user,
    password: database.admin.password,
  })
  await vault.ask('POST', 'database/roles/readonly', {
    db_name: 'acme',
    creation_statements: [`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`],
    default_ttl: '10m',
    max_ttl: '1h',
  })
  const role = roleId.parse(await vault.ask('GET', 'auth/approle/role/jit/role-id')).data.role_id
  return { role, secret: secretId.parse(await vault.ask('POST', 'auth/approle/role/jit/secret-id')).data.secret_id }
}

describe.skipIf(program === undefined || mcp === undefined || postgresql === undefined)('a real Vault', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-real-'))
  // In a sandbox what the server may write to is declared, and nothing of jit's home can be.
  const writable = mkdtempSync(join(tmpdir(), 'jit-kept-'))
  const keep = join(writable, 'kept.json')
  let vault: Vault
  let database: Postgresql

  beforeAll(async () => {
    database = await startPostgresql(postgresql ?? '')
    vault = await startVault(program ?? '')
    const { role, secret } = await furnish(vault, database)
    const port = new URL(vault.address).port
    writeFileSync(join(home, 'jit.yaml'), `version: 1\nnetwork:\n  hosts: { "127.0.0.1:${port}": "127.0.0.1:${port}" }\n`, { mode: 0o600 })
    writeFileSync(join(home, 'secret-id'), secret, { mode: 0o600 })
    const login = ['--method', 'approle', '--role', role, '--secret-id', join(home, 'secret-id'), '--token-role', 'jit']
    await must({ home }, ['login', 'vault', 'team', '--address', vault.address, ...login])
    const file = join(home, 'jit.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +)tokenRole: jit$/m, '$&\n$1ephemeralPolicies: true'))
    await configureServers(
      { home },
      `  vault:
    run: [${JSON.stringify(mcp)}, stdio]
    provider: team
    preset: vault-mcp-server
    where: { mount: secret, path: [apps/web, apps/new] }
    allow: [list_mounts, read_secret, write_secret, delete_secret]
${['anywhere', 'narrow', 'wide', 'exact'].map((name) => otherServer(name)).join('')}  psql:
    run: [node, ${JSON.stringify(join(import.meta.dirname, 'psql_server.mjs'))}]
    provider: team
    writable: [${JSON.stringify(writable)}]
    env: { PGHOST: 127.0.0.1, PGPORT: "${database.port}", PGDATABASE: postgres, PSQL: ${database.psql}, KEEP: ${keep} }
    inject: { mode: env, env: { PGUSER: "\${username}", PGPASSWORD: "\${password}" } }
    allow: [who, stay]
    tools:
      stay: &login { scope: { dynamic: database/creds/readonly } }
      who: *login
`,
    )
  })
  afterAll(async () => {
    await runJit(home, ['stop'])
    await vault?.stop()
    await database?.stop()
    for (const folder of [home, writable]) rmSync(folder, { recursive: true, force: true })
  })

  /** What ends with its call is ended right after the answer. */
  const noLeases = async (server = ''): Promise<void> => {
    for (let round = 0; round < 50; round += 1) {
      const held = leases.parse(JSON.parse(await must({ home }, ['leases', '--json'])))
      if (held.every((lease) => server !== '' && lease.server !== server)) return
    }
    throw new Error('leases that do not end')
  }

  const policyNames = async (): Promise<string[]> => listed.parse(await vault.ask('GET', 'sys/policies/acl?list=true')).data.keys

  it('gives vault-mcp-server a child token of one policy, which reads the secret', async () => {
    const answer = await callTool(home, 'vault', 'read_secret', { mount: 'secret', path: 'apps/web' })
    expect(answer.failed, answer.text).toBe(false)
    expect(answer.text).toContain('blue')
    const { scope, requests = [] } = await lastCall(home, 'vault')
    expect(scope).toEqual({ policies: ['mcp-read-secret'] })
    expect(requests.map(({ method, url }) => `${method} ${url.slice(vault.address.length)}`)).toContain('GET /v1/secret/data/apps/web')
  })

  it('writes and deletes under a policy for that', async () => {
    const at = { mount: 'secret', path: 'apps/new' }
    const written = await callTool(home, 'vault', 'write_secret', { ...at, key: 'size', value: 'large' })
    expect(written.failed, written.text).toBe(false)
    expect(value.parse(await vault.ask('GET', 'secret/data/apps/new')).data.data).toEqual({ size: 'large' })
    expect((await lastCall(home, 'vault')).scope).toEqual({ policies: ['mcp-write-secret'] })
    const deleted = await callTool(home, 'vault', 'delete_secret', { ...at, key: '' })
    expect(deleted.failed, deleted.text).toBe(false)
    await expect(vault.ask('GET', 'secret/data/apps/new')).rejects.toThrow('404')
  })

  it.each([
    ['another secret', 'vault', 'apps/payroll'],
    ['dots', 'anywhere', 'apps/web/../payroll'],
    ['dots from the start', 'anywhere', '../sys/mounts'],
    ['escaped dots', 'anywhere', 'apps/%2e%2e/payroll'],
    ['an empty segment', 'anywhere', 'apps//payroll'],
    ['a query', 'anywhere', 'apps/web?version=1'],
  ])('refuses %s before Vault hears of it', async (_, server, path) => {
    const answer = await callTool(home, server, 'read_secret', { mount: 'secret', path })
    expect(answer).toMatchObject({ failed: true })
    expect(answer.text).not.toContain('everybody')
    const heard = (await readRecords(home)).flatMap(({ requests = [] }) => requests.map(({ url }) => url))
    expect(heard.filter((url) => /payroll|version|%2e|apps\/\//.test(url))).toEqual([])
  })

  it('is refused by Vault what its policy does not hold, and a policy that the token role does not give', async () => {
    const args = { mount: 'secret', path: 'apps/web' }
    const narrow = await callTool(home, 'narrow', 'read_secret', args)
    expect(narrow.failed, narrow.text).toBe(true)
    expect((await lastCall(home, 'narrow')).requests?.at(-1)).toMatchObject({ status: 403 })
    const wide = await callTool(home, 'wide', 'read_secret', args)
    expect(wide.text).toMatch(/jit-broker|polic/)
    expect((await lastCall(home, 'wide')).requests ?? []).toEqual([])
  })

  it('writes a policy for one call, which is gone with its token', async () => {
    const connection = await connect(home, 'exact')
    const answer = await connection.call('read_secret', { mount: 'secret', path: 'apps/web' })
    expect(answer.text).toContain('blue')
    const name = (await policyNames()).find((known) => known.startsWith('jit-lease_')) ?? ''
    const { policy } = policyText.parse(await vault.ask('GET', `sys/policies/acl/${name}`)).data
    expect(JSON.parse(policy)).toEqual({
      path: { 'sys/mounts': { capabilities: ['read'] }, 'secret/data/apps/web': { capabilities: ['read'] } },
    })
    await must({ home }, ['revoke', '--server', 'exact'])
    expect((await policyNames()).filter((known) => known.startsWith('jit-lease_'))).toEqual([])
    await connection.close()
  })

  it('makes a database user for one call, which can log in no more when the call is over', async () => {
    // Its name is no secret, unlike its password.
    expect(await callTool(home, 'psql', 'who', {})).toEqual({ text: expect.stringMatching(/^v-[\w-]+\n$/), failed: false })
    const { user, password } = kept.parse(JSON.parse(readFileSync(keep, 'utf8')))
    expect(user).toMatch(/^v-/)
    await noLeases('psql')
    expect(database.login(user, password)).toBe(false)
  })

  it('revokes a database user in the middle of a call, and its login stops working', async () => {
    rmSync(keep)
    const connection = await connect(home, 'psql')
    const call = connection.call('stay', {})
    for (let round = 0; round < 100 && !existsSync(keep); round += 1) await must({ home }, ['status'])
    const { user, password } = kept.parse(JSON.parse(readFileSync(keep, 'utf8')))
    expect(database.login(user, password)).toBe(true)
    const { receipts } = revoked.parse(JSON.parse(await must({ home }, ['revoke', '--server', 'psql', '--json'])))
    expect(receipts).toMatchObject([{ outcome: 'revoked', verified: true }])
    expect(database.login(user, password)).toBe(false)
    expect(database.login(database.admin.user, database.admin.password)).toBe(true)
    expect(await call).toMatchObject({ failed: true })
    await connection.close()
  })

  it('leaves no token behind but the broker’s and root’s, and a trail that verifies', async () => {
    await must({ home }, ['revoke', '--all'])
    await noLeases()
    const accessors = listed.parse(await vault.ask('GET', 'auth/token/accessors?list=true')).data.keys
    const names = await Promise.all(
      accessors.map(async (accessor) => shown.parse(await vault.ask('POST', 'auth/token/lookup-accessor', { accessor })).data.display_name),
    )
    expect(names.sort()).toEqual(['approle', 'root'])
    await must({ home }, ['audit', 'verify'])
  })
})
