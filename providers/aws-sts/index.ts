import type { ProviderPlugin } from '../../src/provider/index.ts'
import { refuseValue } from './arn.ts'
import { type AwsConfig, awsConfig } from './config.ts'
import { placeholderOf } from './environment.ts'
import { openAws } from './mint.ts'
import { awsScope, refuseTemplate } from './scope.ts'

/** Sessions of an IAM role, narrowed by a session policy for each call. AWS has no way to end one. */
export const awsSts: ProviderPlugin<AwsConfig> = {
  kind: 'aws-sts',
  summary: 'sessions of an AWS role, for the actions and resources of one call at a time',
  config: awsConfig,
  scope: awsScope,
  revocation: 'expiry',
  authentication: 'aws-sigv4',
  login: [
    { name: 'region', label: 'Region', help: 'e.g. eu-west-1', secret: false, required: true, type: 'text' },
    { name: 'roleArn', label: 'Role', help: 'ARN of the role that jit assumes for each call', secret: false, required: true, type: 'text' },
    { name: 'externalId', label: 'External id', help: 'if the role asks for one', secret: false, required: false, type: 'text' },
    {
      name: 'profile',
      label: 'Profile',
      help: 'AWS profile with jit’s own identity, e.g. of SSO',
      secret: false,
      required: false,
      type: 'text',
    },
    {
      name: 'accessKeyId',
      label: 'Access key id',
      help: 'of jit’s own identity, where it has no profile',
      secret: true,
      required: false,
      type: 'text',
    },
    {
      name: 'secretAccessKey',
      label: 'Secret access key',
      help: 'the half that AWS showed once',
      secret: true,
      required: false,
      type: 'text',
    },
    { name: 'sessionToken', label: 'Session token', help: 'for keys that start with ASIA', secret: true, required: false, type: 'text' },
  ],
  example: 'prod --region eu-west-1 --role-arn arn:aws:iam::123456789012:role/agents --profile jit',
  placeholder: placeholderOf,
  checkPart: (part) =>
    ['accessKeyId', 'secretAccessKey', 'sessionToken'].includes(part)
      ? undefined
      : 'its parts are ${accessKeyId}, ${secretAccessKey} and ${sessionToken}',
  checkField(path, value) {
    const field = path.replace(/^statements\.\d+\./, '')
    if (field.startsWith('resources.')) return refuseValue(value)
    if (field.startsWith('conditions.'))
      return /[*?${}"\\\p{C}\p{Zl}\p{Zp}]/u.test(value) ? 'holds a wildcard or a policy variable' : undefined
    return 'only resources and conditions take values from a call'
  },
  checkTemplate: refuseTemplate,
  open: openAws,
}
