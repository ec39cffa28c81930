import { z } from 'zod'
import { JitError, type ProviderHost } from '../../src/provider/index.ts'
import type { Base } from './base.ts'
import { type AwsConfig, iamOf } from './config.ts'
import { type Attempt, explain, explainFailure } from './explain.ts'
import { failure } from './failure.ts'
import { send } from './fetch-handler.ts'
import { createSigner } from './sign.ts'

type RolePolicy = { readonly RoleName: string; readonly PolicyName: string }

/** The two calls of IAM that the deny policy needs, in its query protocol. They throw JitErrors of the provider contract. */
export interface Iam {
  /** The policy's document, or undefined when the role has no such policy. */
  readRolePolicy(name: RolePolicy, signal: AbortSignal): Promise<string | undefined>
  writeRolePolicy(name: RolePolicy, document: string, signal: AbortSignal): Promise<void>
}

export function createIam(config: AwsConfig, host: ProviderHost, base: Base): Iam {
  const { endpoint, region } = iamOf(config)

  const ask = async (action: string, form: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answered> => {
    const identity = await base.get(signal)
    const attempt: Attempt = { config, host, base, identity, call: `iam:${action}` }
    const signer = createSigner('iam', region, identity.credentials, () => host.clock.now())
    try {
      const request = await signer.sign(requestOf(endpoint, new URLSearchParams({ Action: action, Version: '2010-05-08', ...form })))
      const response = await send(host.fetch, request, signal)
      return { attempt, status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() }
    } catch (error) {
      throw explain(error, attempt)
    }
  }
  return {
    async readRolePolicy(name, signal) {
      const answered = await ask('GetRolePolicy', name, signal)
      if (answered.status === 404 && element('Code', answered.text) === 'NoSuchEntity') return undefined
      return documentOf(succeeded(answered))
    },
    async writeRolePolicy(name, document, signal) {
      succeeded(await ask('PutRolePolicy', { ...name, PolicyDocument: document }, signal))
    },
  }
}

interface Answered {
  readonly attempt: Attempt
  readonly status: number
  readonly retryAfter: string | null
  readonly text: string
}

function succeeded({ attempt, status, retryAfter, text }: Answered): string {
  if (status === 200) return text
  throw explainFailure(failure(element('Code', text) ?? '', element('Message', text) ?? '', status, retryAfter), attempt)
}

/** IAM answers a policy in the escapes of a URL. */
function documentOf(xml: string): string {
  try {
    return decodeURIComponent(z.string().parse(element('PolicyDocument', xml)))
  } catch {
    throw new JitError('provider.unavailable', 'IAM’s answer to GetRolePolicy has another form than documented')
  }
}

function requestOf(endpoint: string, form: URLSearchParams): Parameters<ReturnType<typeof createSigner>['sign']>[0] {
  const { protocol, hostname, port, host, pathname } = new URL(endpoint)
  return {
    method: 'POST',
    protocol,
    hostname,
    ...(port === '' ? {} : { port: Number(port) }),
    path: pathname,
    query: {},
    headers: { host, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: form.toString(),
  }
}

/** The text of the first element of this name; IAM's answers repeat none of those that are asked for. */
function element(name: string, xml: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`)
    .exec(xml)?.[1]
    ?.replace(/&(#\d+|#x[0-9a-f]+|\w+);/gi, (_, entity: string) => entityOf(entity))
}

const entities = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

function entityOf(entity: string): string {
  if (!entity.startsWith('#')) return entities.get(entity) ?? ''
  const point = z
    .int()
    .min(1)
    .max(0x10ffff)
    .safeParse(Number(entity.slice(1).replace(/^x/i, '0x')))
  return point.success ? String.fromCodePoint(point.data) : ''
}
