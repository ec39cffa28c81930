import type { LoginField, ProviderPlugin } from '../../src/provider/index.ts'
import { type OauthConfig, oauthConfig } from './config.ts'
import { openOauth } from './mint.ts'
import { checkField, oauthScope } from './scope.ts'

/** Access tokens of an OAuth 2 authorization server, for one scope, resource or authorization detail at a time. */
export const oauth: ProviderPlugin<OauthConfig> = {
  kind: 'oauth',
  summary: 'access tokens of an OAuth server: client credentials or token exchange, as narrow as the server can make them',
  config: oauthConfig,
  scope: oauthScope,
  revocation: 'immediate',
  login: [
    setting('clientId', 'Client', 'id of the client at the server', true),
    setting('origin', 'Origin', 'what the tokens are for: https://api.example.com', true),
    setting('proof', 'Proof', 'a small scope that is minted and revoked at once as a proof: scopes with spaces between, or JSON', true),
    setting('issuer', 'Issuer', 'the server, exactly as it calls itself: https://login.example.com'),
    setting('tokenEndpoint', 'Token endpoint', 'instead of an issuer, for a server without metadata'),
    setting('revocationEndpoint', 'Revocation endpoint', 'of a server without metadata'),
    setting('introspectionEndpoint', 'Introspection endpoint', 'of a server without metadata'),
    setting('authentication', 'Authentication', 'client_secret_basic (default), client_secret_post or private_key_jwt'),
    setting('keyId', 'Key id', 'kid of the private key, where the server has several'),
    setting('grant', 'Grant', 'client_credentials (default) or token-exchange'),
    setting('subjectTokenType', 'Subject token type', 'urn of its kind; an access token when absent'),
    setting('actor', 'Actor', 'true: an exchange says who acts, in a signed token'),
    { ...setting('clientSecret', 'Client secret', 'for client_secret_basic and client_secret_post'), secret: true },
    { ...setting('privateKey', 'Private key', 'a .pem file, for private_key_jwt'), secret: true, type: 'file' },
    { ...setting('subjectToken', 'Subject token', 'the token that an exchange starts from'), secret: true },
  ],
  example:
    'tracker --issuer https://login.example.com --client-id jit --client-secret secret.txt --origin https://api.example.com --proof issues:read',
  placeholder: (random) => `jit_${random.slice(0, 43)}`,
  checkField,
  open: openOauth,
}

function setting(name: string, label: string, help: string, required = false): LoginField {
  return { name, label, help, secret: false, required, type: 'text' }
}
