import { JitError, jitErrorBehind, neverSent, type ProviderHost, quote, Secret } from '../../src/provider/index.ts'
import { type AwsConfig, stsEndpointOf } from './config.ts'
import { failureOf } from './failure.ts'
import { fetchHandler } from './fetch-handler.ts'
import type { AwsKeys } from './sign.ts'

/** jit's own identity at AWS, for one request. */
export interface BaseIdentity {
  readonly credentials: AwsKeys
  /** What may stand in no message. */
  readonly secrets: readonly Secret[]
}

export interface Base {
  /** Throws JitError `provider.login`, or `provider.unavailable`, with `sent: false`: nothing was minted yet. */
  get(signal: AbortSignal): Promise<BaseIdentity>
  /** AWS did not accept what was given last: look again next time. */
  forget(): void
  /** Where the identity comes from, for messages. */
  readonly source: string
  /** What to do when AWS does not accept it. */
  readonly remedy: string
}

type Source = () => Promise<AwsKeys>

/** An identity is asked for anew so many milliseconds before it ends. */
const early = 300_000

/** Sealed keys, a web identity, a profile or the SDK's ordinary chain: in this order, the first that is set. */
export function createBase(config: AwsConfig, host: ProviderHost): Base {
  let source: Source | undefined
  let kept: { readonly identity: BaseIdentity; readonly until: number } | undefined
  const sealed = (): boolean => config.profile === undefined && config.webIdentityTokenFile === undefined && host.hasSecret('accessKeyId')
  const label = (): readonly [string, string] => {
    if (config.webIdentityTokenFile !== undefined) {
      return [
        `the web identity of ${quote(config.webIdentityTokenFile)}`,
        `Check \`webIdentityTokenFile\` and \`webIdentityRoleArn\` of provider ${host.name}: the file must hold a token that its role trusts, and somebody must renew it.`,
      ]
    }
    if (config.profile !== undefined) {
      return [
        `the profile ${quote(config.profile)}`,
        `Log in again (\`aws sso login --profile ${config.profile}\`), or correct \`profile\` of provider ${host.name}.`,
      ]
    }
    if (sealed()) {
      return [
        'the sealed access key',
        `Give a key that AWS accepts: \`jit login aws-sts ${host.name}\` (accessKeyId, secretAccessKey and, for ASIA keys, sessionToken).`,
      ]
    }
    return [
      'the ordinary chain (environment, shared files, container, instance)',
      `Give provider ${host.name} an identity: set \`profile\` or \`webIdentityTokenFile\`, or seal a key with \`jit login aws-sts ${host.name}\`.`,
    ]
  }
  return {
    get source() {
      return label()[0]
    },
    get remedy() {
      return label()[1]
    },
    forget: () => {
      source = undefined
      kept = undefined
    },
    async get(signal) {
      if (sealed()) return identityOf(sealedKeys(host))
      if (kept !== undefined && kept.until > host.clock.now()) return kept.identity
      try {
        source ??= await openSource(config, host)
        const keys = await unlessAborted(source(), signal)
        const identity = identityOf(keys)
        kept = keys.expiration === undefined ? undefined : { identity, until: keys.expiration.getTime() - early }
        return identity
      } catch (error) {
        source = undefined
        throw explain(error, host, label(), signal)
      }
    },
  }
}

function sealedKeys(host: ProviderHost): AwsKeys {
  const token = host.hasSecret('sessionToken') ? { sessionToken: host.secret('sessionToken').reveal() } : {}
  return {
    accessKeyId: host.secret('accessKeyId').reveal().trim(),
    secretAccessKey: host.secret('secretAccessKey').reveal().trim(),
    ...token,
  }
}

/** The SDK is loaded when it is first needed: it takes time and memory that a daemon without AWS does not spend. */
async function openSource(config: AwsConfig, host: ProviderHost): Promise<Source> {
  const { fromIni, fromNodeProviderChain, fromTokenFile } = await import('@aws-sdk/credential-providers')
  const clientConfig = { region: config.region, requestHandler: fetchHandler(host.fetch), maxAttempts: 1 }
  if (config.webIdentityTokenFile !== undefined) {
    return fromTokenFile({
      webIdentityTokenFile: config.webIdentityTokenFile,
      ...(config.webIdentityRoleArn === undefined ? {} : { roleArn: config.webIdentityRoleArn }),
      roleSessionName: 'jit',
      clientConfig: { ...clientConfig, endpoint: stsEndpointOf(config) },
    })
  }
  // A profile alone: the chain would go on to the environment or the machine's own role where the profile gives nothing.
  if (config.profile !== undefined) return fromIni({ profile: config.profile, clientConfig, ignoreCache: true })
  return fromNodeProviderChain({ clientConfig })
}

function identityOf(credentials: AwsKeys): BaseIdentity {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const secrets = [accessKeyId, secretAccessKey, sessionToken].filter((value) => value !== undefined && value !== '')
  return { credentials, secrets: secrets.map((value) => new Secret(value ?? '')) }
}

/** Sources ask files, processes and services, and know no signal. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  return new Promise<T>((resolve, reject) => {
    const end = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    signal.addEventListener('abort', end, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end))
  })
}

/** What a source says is not repeated: a `credential_process` may say anything. */
function explain(error: unknown, host: ProviderHost, [source, remedy]: readonly [string, string], signal: AbortSignal): JitError {
  if (error instanceof JitError) return error
  const { status, throttled } = failureOf(error)
  if (signal.aborted || neverSent(error) || throttled || (status !== undefined && status >= 500)) {
    return new JitError('provider.unavailable', `provider ${host.name} could not get its own identity from ${source} now`, {
      // The network's own advice (`network.hosts`, `network.ca`) is about what failed; a new login would fail in the same way.
      hint: jitErrorBehind(error)?.hint ?? remedy,
      details: { sent: false },
    })
  }
  return new JitError('provider.login', `provider ${host.name} has no identity of its own at AWS: ${source} gave none`, {
    hint: remedy,
    details: { sent: false },
  })
}
