import type { ProviderPlugin } from '../../src/provider/index.ts'
import { type GithubAppConfig, githubAppConfig, githubScope, ownerPattern, repositoryPattern } from './config.ts'
import { openGithub } from './mint.ts'

/** GitHub App installation tokens, narrowed to repositories and permissions, revoked by DELETE /installation/token. */
export const githubApp: ProviderPlugin<GithubAppConfig> = {
  kind: 'github-app',
  summary: 'installation tokens of a GitHub App, for one repository and one permission at a time',
  config: githubAppConfig,
  scope: githubScope,
  revocation: 'immediate',
  login: [
    {
      name: 'appId',
      label: 'App id',
      help: 'the number on the App’s page, or its client id',
      secret: false,
      required: true,
      type: 'text',
      pattern: '[1-9][0-9]*|Iv[0-9A-Za-z.]+',
    },
    {
      name: 'installation',
      label: 'Account',
      help: 'the login of the account the App is installed on',
      secret: false,
      required: true,
      type: 'text',
      pattern: ownerPattern.source,
    },
    {
      name: 'apiUrl',
      label: 'API',
      help: 'for GitHub Enterprise Server: https://host/api/v3',
      secret: false,
      required: false,
      type: 'text',
      pattern: 'https?://[^\\s/]+(/\\S*)?',
    },
    {
      name: 'privateKey',
      label: 'Private key',
      help: 'the .pem file that GitHub downloaded',
      secret: true,
      required: true,
      type: 'file',
      pattern: '[^]*-----BEGIN (RSA )?PRIVATE KEY-----\\s[^]+-----END (RSA )?PRIVATE KEY-----\\s*',
    },
  ],
  example: 'acme --app-id 123456 --installation acme --private-key key.pem',
  placeholder: (random) => `ghs_${random.slice(0, 36)}`,
  checkField(path, value) {
    if (!path.startsWith('repositories')) return 'only repositories take values from a call'
    const parts = value.split('/')
    const [first = '', second] = parts
    const good =
      parts.length <= 2 &&
      (second === undefined ? repositoryPattern.test(first) : ownerPattern.test(first) && repositoryPattern.test(second))
    return good ? undefined : 'not a name that GitHub allows'
  },
  open: openGithub,
}
