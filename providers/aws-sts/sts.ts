import type * as Sdk from '@aws-sdk/client-sts'
import { JitError, type ProviderHost } from '../../src/provider/index.ts'
import { type Base, type BaseIdentity, createBase } from './base.ts'
import { type AwsConfig, stsEndpointOf } from './config.ts'
import { explain } from './explain.ts'
import { fetchHandler } from './fetch-handler.ts'
import { createSigner } from './sign.ts'

type StsClient = Sdk.STSClient

export interface Sts {
  readonly base: Base
  /** Runs one request as jit's own identity. Throws JitErrors of the provider contract. */
  ask<T>(call: string, signal: AbortSignal, request: (client: StsClient, sdk: typeof Sdk) => Promise<T>): Promise<T>
}

/** STS by the AWS SDK: without its retries, its files and its clock. */
export function createSts(config: AwsConfig, host: ProviderHost): Sts {
  const base = createBase(config, host)
  return {
    base,
    async ask(call, signal, request) {
      const identity = await base.get(signal)
      const sdk = await loadSdk()
      const client = openClient(sdk, config, host, identity)
      try {
        return await request(client, sdk)
      } catch (error) {
        throw explain(error, { config, host, base, identity, call })
      } finally {
        client.destroy()
      }
    },
  }
}

/** A client for one request, since the SDK's clients remember a clock's error and correct it on their own. */
function openClient({ STSClient }: typeof Sdk, config: AwsConfig, host: ProviderHost, { credentials }: BaseIdentity): StsClient {
  return new STSClient({
    region: config.region,
    endpoint: stsEndpointOf(config),
    credentials,
    signer: createSigner('sts', config.region, credentials, () => host.clock.now()),
    requestHandler: fetchHandler(host.fetch),
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    customUserAgent: 'jit',
  })
}

async function loadSdk(): Promise<typeof Sdk> {
  try {
    return await import('@aws-sdk/client-sts')
  } catch (cause) {
    throw new JitError('provider.unavailable', 'the AWS SDK (@aws-sdk/client-sts) cannot be loaded', { cause, details: { sent: false } })
  }
}
