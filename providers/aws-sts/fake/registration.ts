import { testHost } from '../../../test/support/provider-host.ts'
import type { Credential, MintRequest, Provider, ProviderHost } from '../../../src/provider/index.ts'
import { baseKeys, roleArn } from './fixture.ts'
import { awsConfig } from '../config.ts'
import { awsSts } from '../index.ts'

export const scope = { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/2026/q1.csv'] }
export const shared = testHost(baseKeys)

export function open(stsEndpoint: string, more: object = {}, host: ProviderHost = shared): Provider {
  return awsSts.open(awsConfig.parse({ region: 'eu-west-1', roleArn, stsEndpoint, iamEndpoint: stsEndpoint, ...more }), host)
}

export function mint(provider: Provider, { request = {} }: { request?: Partial<MintRequest> } = {}): Promise<Credential> {
  return provider.mint(
    { lease: 'lease_test', scope, ttl: 300_000, principal: { human: 'ada', agent: 'a', session: 's', server: 's', tool: 't' }, ...request },
    AbortSignal.timeout(5000),
  )
}
