import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch } from 'undici'
import { z } from 'zod'
import { createTestAuthority } from '../support/certificates.ts'
import { type Running, startProgram } from './programs.ts'

export const region = 'eu-west-1'
export const account = '123456789012'
/** The names that AWS has for what the tests ask. */
export const awsHosts = ['sts', 's3', 'dynamodb', 'ssm', 'logs']
  .map((service) => `${service}.${region}.amazonaws.com`)
  .concat('iam.amazonaws.com')

/** moto behind TLS with AWS's names, checking signatures and the role's policies from `enforce` on. */
export interface Moto {
  readonly port: number
  /** PEM of the authority that signed its certificate. */
  readonly ca: string
  readonly running: Running
  /** One request of a service's protocol, which moto takes on trust until `enforce`. Throws when it is refused. */
  ask(service: string, request: AwsRequest): Promise<string>
  enforce(): Promise<void>
  /** The session policies that STS was asked for, oldest first. */
  sessionPolicies(): Promise<unknown[]>
  /** Both halves of the keys of all sessions. */
  sessionKeys(): Promise<string[]>
  /** The inline policies of the only role, by name. */
  rolePolicies(): Promise<Readonly<Record<string, unknown>>>
  stop(): Promise<void>
}

interface AwsRequest {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const session = z.looseObject({ policy: z.string().nullable(), access_key_id: z.string(), secret_access_key: z.string() })
const dump = z.object({
  sts: z.looseObject({ AssumedRole: z.array(session).default([]) }),
  iam: z.looseObject({ Role: z.array(z.looseObject({ policies: z.record(z.string(), z.string()) })) }),
})

export async function startMoto(program: string): Promise<Moto> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-moto-'))
  const authority = await createTestAuthority(['127.0.0.1', ...awsHosts])
  writeFileSync(join(folder, 'cert.pem'), authority.cert)
  writeFileSync(join(folder, 'key.pem'), authority.key, { mode: 0o600 })
  const running = startProgram(
    program,
    ['-H', '127.0.0.1', '-p', '0', '-c', join(folder, 'cert.pem'), '-k', join(folder, 'key.pem')],
    // Requests that it takes on trust: all, until it is told otherwise.
    { cwd: folder, env: { INITIAL_NO_AUTH_ACTION_COUNT: 'inf', PYTHONUNBUFFERED: '1' } },
  )
  const port = Number((await running.says(/Running on https:\/\/127\.0\.0\.1:(\d+)/))[1])
  const agent = new Agent({ connect: { ca: authority.ca } })
  const send = async (path: string, { method = 'POST', headers = {}, body }: AwsRequest = {}): Promise<string> => {
    const response = await fetch(`https://127.0.0.1:${port}${path}`, { method, headers, body: body ?? null, dispatcher: agent })
    const text = await response.text()
    if (!response.ok) throw new Error(`moto answered ${response.status} to ${method} ${path}: ${text}`)
    return text
  }
  const data = async (): Promise<z.infer<typeof dump>> => dump.parse(JSON.parse(await send('/moto-api/data.json', { method: 'GET' })))
  const sessions = async (): Promise<z.infer<typeof session>[]> => (await data()).sts.AssumedRole
  return {
    port,
    ca: authority.ca,
    running,
    ask: (service, { path = '/', headers = {}, ...request }) => {
      const scope = `nobody/20260101/${region}/${service}/aws4_request`
      const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`
      return send(path, { ...request, headers: { authorization, ...headers } })
    },
    enforce: async () => void (await send('/moto-api/reset-auth', { body: '0' })),
    sessionPolicies: async () => (await sessions()).map(({ policy }) => JSON.parse(policy ?? 'null')),
    sessionKeys: async () => (await sessions()).flatMap((session) => [session.access_key_id, session.secret_access_key]),
    rolePolicies: async () =>
      Object.fromEntries(Object.entries((await data()).iam.Role[0]?.policies ?? {}).map(([name, text]) => [name, JSON.parse(text)])),
    async stop() {
      await agent.close()
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A request of AWS's Query protocol, which IAM speaks. */
export function query(action: string, parameters: Readonly<Record<string, string>>): AwsRequest {
  return {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ Action: action, Version: '2010-05-08', ...parameters }).toString(),
  }
}

/** A request of its JSON protocol. */
export function json(target: string, body: object): AwsRequest {
  return { headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target }, body: JSON.stringify(body) }
}
