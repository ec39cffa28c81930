import type { LoginField, ProviderPlugin } from '../../src/provider/index.ts'
import { type McpConfig, mcpConfig } from './config.ts'
import { mcpLogin } from './login.ts'
import { openMcp } from './mint.ts'
import { checkField, mcpScope } from './scope.ts'

/** A person's login at the authorization server of a remote MCP server: its tokens are for that server alone. */
export const mcp: ProviderPlugin<McpConfig> = {
  kind: 'mcp',
  summary: 'tokens of a remote MCP server, by a login in the browser; sealed, renewed, and sent to that server only',
  config: mcpConfig,
  scope: mcpScope,
  // Many servers end a whole login with any of its tokens, so that no single one is ended unless the config says that this is no such server.
  revocation: 'expiry',
  audience: 'origin',
  example: 'https://mcp.linear.app/mcp linear',
  login: [
    { ...setting('url', 'Server', 'the MCP server: https://mcp.example.com/mcp'), required: true, argument: true },
    setting('scopes', 'Scopes', 'what to ask for, with spaces between; what the server asks for when absent'),
    setting('issuer', 'Issuer', 'the authorization server, where the MCP server names several'),
    setting('clientId', 'Client', 'id of a client that was registered there by hand'),
    setting('clientMetadataUrl', 'Client metadata', 'address of a client id metadata document of your own'),
    { ...setting('redirectPort', 'Redirect port', 'for the way back from the browser, where it must be a registered one'), type: 'number' },
    setting('legacyEndpoints', 'Legacy endpoints', 'true: a server of 2025-03-26 without metadata'),
    setting(
      'revoke',
      'Revoke',
      'logout (default): tokens end with the login; lease: with their last lease, where the server ends one alone',
    ),
    { ...setting('clientSecret', 'Client secret', 'of that client, where it has one'), secret: true },
  ],
  browser: mcpLogin,
  placeholder: (random) => `jit_${random.slice(0, 43)}`,
  checkField,
  open: openMcp,
}

function setting(name: string, label: string, help: string): LoginField {
  return { name, label, help, secret: false, required: false, type: 'text' }
}
