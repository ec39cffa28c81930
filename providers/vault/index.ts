import type { LoginField, ProviderPlugin } from '../../src/provider/index.ts'
import { vaultLogin } from './browser.ts'
import { type VaultConfig, vaultConfig, vaultScope } from './config.ts'
import { openVault } from './mint.ts'
import { checkField } from './scope.ts'

const optional = { secret: false, required: false, type: 'text' } as const
const sealed = { secret: true, required: false, type: 'file' } as const

const login: readonly LoginField[] = [
  {
    name: 'address',
    label: 'Address',
    help: 'of Vault or OpenBao: https://vault.example.com:8200',
    secret: false,
    required: true,
    type: 'text',
  },
  { name: 'namespace', label: 'Namespace', help: 'where the broker logs in and mints', ...optional },
  { name: 'method', label: 'Method', help: 'token (default), approle, userpass, jwt, kubernetes or oidc', ...optional },
  { name: 'mount', label: 'Mount', help: 'of the login method below auth/, where it is not named like the method', ...optional },
  { name: 'role', label: 'Role', help: 'approle: the role id; jwt, kubernetes and oidc: the role’s name', ...optional },
  { name: 'username', label: 'User name', help: 'for userpass', ...optional },
  { name: 'jwtFile', label: 'JWT file', help: 'a projected token, read anew at each login', ...optional },
  {
    name: 'redirectPort',
    label: 'Redirect port',
    help: 'oidc: for the way back from the browser; default 8250',
    ...optional,
    type: 'number',
  },
  { name: 'tokenRole', label: 'Token role', help: 'through which child tokens are made: auth/token/create/ROLE', ...optional },
  { name: 'token', label: 'Token', help: 'for method token: a periodic service token', ...sealed },
  { name: 'secretId', label: 'Secret id', help: 'for approle', ...sealed },
  { name: 'password', label: 'Password', help: 'for userpass', ...sealed },
  { name: 'jwt', label: 'JWT', help: 'for jwt or kubernetes, where there is no JWT file', ...sealed },
]

/** Engines name their parts as they like, in lower case. */
function checkPart(part: string): string | undefined {
  if (part === 'accessor' || part === 'leaseId') return 'jit ends the credential with it; it is no use to a server'
  return /^[a-z][a-z_]*$/.test(part) ? undefined : 'parts are named as the engine names them, e.g. ${username} and ${password}'
}

/** Vault and OpenBao: child tokens by policy, dynamic secrets by lease; both revoked by name and looked up after. */
export const vault: ProviderPlugin<VaultConfig> = {
  kind: 'vault',
  summary: 'child tokens and dynamic secrets of HashiCorp Vault or OpenBao, for one policy or role at a time',
  config: vaultConfig,
  scope: vaultScope,
  revocation: 'immediate',
  login,
  example: 'team --address https://vault.example.com:8200 --method approle --role ROLE_ID --secret-id secret-id --token-role jit',
  // Of a service token's length; its inside is no token of any Vault.
  placeholder: (random) => `hvs.CAESI${random}`,
  checkField,
  checkPart,
  browser: vaultLogin,
  open: openVault,
}
