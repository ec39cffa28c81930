import type { VaultSetup } from './state.ts'

/** The broker's own policy, as README.md has it to paste. */
export const brokerPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "auth/token/create/jit" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "database/creds/readonly" { capabilities = ["read"] }
path "kubernetes/creds/reader" { capabilities = ["update"] }
path "aws/sts/reader" { capabilities = ["read"] }
path "secret/data/plain" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
`
/** What `ephemeralPolicies: true` adds. */
export const ephemeralPolicy = `
path "sys/policies/acl/jit-lease_*" { capabilities = ["create", "update", "delete"] }
`

const mounts = 'path "sys/mounts" { capabilities = ["read"] }'

export const roleId = '7c1f4a52-role'
export const secretId = 'b8e0-secret-id-canary-4242'
export const ownToken = 'hvs.seeded-token-canary-4242'

/** A Vault with one kv mount, a database role and a broker that may use both. */
export function acmeVault(more: Partial<VaultSetup> = {}): VaultSetup {
  return {
    policies: {
      broker: brokerPolicy,
      'broker-ephemeral': ephemeralPolicy,
      'mcp-mounts': mounts,
      'mcp-read-web': `${mounts} path "web/data/*" { capabilities = ["read"] }`,
      'mcp-list-web': `${mounts} path "web/metadata/*" { capabilities = ["list"] } path "web/metadata" { capabilities = ["list"] }`,
      'mcp-write-web': `${mounts} path "web/data/*" { capabilities = ["create", "read", "update"] }`,
      admin: 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }',
    },
    tokenRoles: {
      jit: { allowedGlob: ['mcp-*', 'jit-lease_*'], type: 'service' },
      batch: { allowedGlob: ['mcp-*'], type: 'batch' },
      generous: { allowedGlob: ['mcp-*'], alsoGrants: ['admin'] },
      periodic: { allowedGlob: ['mcp-*'], period: 0 },
    },
    logins: {
      approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker', 'broker-ephemeral'] },
    },
    tokens: [{ id: ownToken, policies: ['broker', 'broker-ephemeral', 'default'], period: 86_400 }],
    dynamic: {
      'database/creds/readonly': {
        ttl: 3600,
        data: (random) => ({ username: `v-token-readonly-${random}`, password: `pw-${random}-${random}` }),
      },
      'database/creds/admin': { ttl: 3600, data: (random) => ({ username: `v-admin-${random}`, password: `pw-${random}` }) },
      'kubernetes/creds/reader': {
        ttl: 600,
        data: (random) => ({
          service_account_name: `v-reader-${random}`,
          service_account_namespace: 'web',
          service_account_token: `eyJ.${random}.x`,
        }),
      },
      'aws/sts/reader': {
        ttl: 900,
        data: (random) => ({ access_key: `ASIA${random}`, secret_key: `secret-${random}`, security_token: `session-${random}`, arn: null }),
      },
      'secret/data/plain': { ttl: 0, leased: false, data: () => ({ password: 'plain-canary-4242' }) },
    },
    kv: { web: { 'app/db': { password: 'kv-canary-4242' } } },
    ...more,
  }
}
