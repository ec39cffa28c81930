import { z } from 'zod'
import { duration } from '../../src/provider/index.ts'

/** A role's ARN: partition, account and path with name. */
export const rolePattern = /^arn:(aws[a-z-]*):iam::(\d{12}):role\/((?:[\w+=,.@-]+\/)*[\w+=,.@-]{1,64})$/

const role = z.string().regex(rolePattern, 'an ARN such as arn:aws:iam::123456789012:role/agents')
const region = z.string().regex(/^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/, 'a region such as eu-west-1')
const url = z.url({ protocol: /^https?$/ })

/** What stands under `providers.<name>` for `kind: aws-sts`. Keys of a login, if any, are in the sealed store. */
export const awsConfig = z
  .strictObject({
    region,
    /** The role that is assumed for each call. */
    roleArn: role,
    externalId: z
      .string()
      .regex(/^[\w+=,.@:/-]{2,1224}$/, '2 to 1,224 letters, digits or _+=,.@:/-')
      .optional(),
    /** Default: the region's own endpoint. */
    stsEndpoint: url.optional(),
    /** Default: the partition's own endpoint; asked only for `revocation: deny-policy`. */
    iamEndpoint: url.optional(),
    /** A profile of the AWS configuration files, e.g. one of IAM Identity Center. */
    profile: z
      .string()
      .regex(/^[\w+=,.@/: -]{1,128}$/, 'the name of a profile')
      .optional(),
    /** File with a web identity token, and the role that it opens: jit's own identity. */
    webIdentityTokenFile: z.string().min(1).optional(),
    webIdentityRoleArn: role.optional(),
    /** Whether sessions carry the human as SourceIdentity. Default: true. */
    sourceIdentity: z.boolean().default(true),
    /** Whether sessions carry server and tool as tags. Default: true. */
    tags: z.boolean().default(true),
    /** Longest session in seconds; the role's own maximum may be more. Default: 3600. */
    maximumDuration: z.int().min(900).max(43_200).default(3600),
    maxTtl: duration.optional().describe('no lease is used for longer; sessions themselves last 15 minutes at least'),
    /** `deny-policy` keeps an inline policy on the role that denies revoked sessions. Default: none. */
    revocation: z.enum(['none', 'deny-policy']).default('none'),
  })
  .superRefine((config, context) => {
    if ((config.webIdentityTokenFile === undefined) !== (config.webIdentityRoleArn === undefined)) {
      context.addIssue({ code: 'custom', message: 'webIdentityTokenFile and webIdentityRoleArn come together' })
    }
    if (config.profile !== undefined && config.webIdentityTokenFile !== undefined) {
      context.addIssue({ code: 'custom', message: 'either profile or webIdentityTokenFile, not both' })
    }
  })

export type AwsConfig = z.output<typeof awsConfig>

/** Parts of the role's ARN. */
export function roleOf(config: AwsConfig): { partition: string; account: string; name: string } {
  const [, partition = 'aws', account = '', path = ''] = rolePattern.exec(config.roleArn) ?? []
  return { partition, account, name: path.split('/').at(-1) ?? '' }
}

export function stsEndpointOf(config: AwsConfig): string {
  return config.stsEndpoint ?? `https://sts.${config.region}.amazonaws.com${config.region.startsWith('cn-') ? '.cn' : ''}`
}

/** IAM has one endpoint in each partition, and one region that its requests are signed for. */
export function iamOf(config: AwsConfig): { endpoint: string; region: string } {
  const { partition } = roleOf(config)
  const [endpoint, region] =
    partition === 'aws-cn'
      ? ['https://iam.cn-north-1.amazonaws.com.cn', 'cn-north-1']
      : partition === 'aws-us-gov'
        ? ['https://iam.us-gov.amazonaws.com', 'us-gov-west-1']
        : ['https://iam.amazonaws.com', 'us-east-1']
  return { endpoint: config.iamEndpoint ?? endpoint, region }
}
