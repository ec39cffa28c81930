import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pauseFor } from '../../../test/support/pause.ts'
import { assumeRole, assumeWithToken } from './assume.ts'
import { isAllowed } from './evaluate.ts'
import { rolePolicy } from './role-policies.ts'
import {
  type Answer,
  arnOf,
  type Caller,
  type FakeIdentity,
  type FakeRole,
  type FakeSession,
  type FakeWebIdentity,
  userIdOf,
} from './state.ts'
import { verify } from './verify.ts'
import { fail, succeed } from './xml.ts'

export interface AwsOptions {
  readonly identities: readonly FakeIdentity[]
  readonly roles: readonly FakeRole[]
  readonly webIdentities?: readonly FakeWebIdentity[]
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly now?: () => number
  /** Bytes that policy and tags may take when they are packed; how STS packs is not documented, here they are deflated. */
  readonly packedRoom?: number
}

/** What happens to requests with this `Action` (`GetObject` for S3). */
export interface AwsFault {
  readonly action: string
  readonly status?: number
  readonly code?: string
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  /** The whole body, in place of an error's XML. */
  readonly body?: string
  readonly delay?: number
  readonly cut?: boolean
}

/** STS, two calls of IAM and one of S3 on loopback, which verify signatures and enforce policies. */
export interface AwsStandIn {
  readonly url: string
  readonly port: number
  readonly journal: readonly { readonly action: string; readonly form: URLSearchParams; readonly host: string | undefined }[]
  readonly sessions: readonly FakeSession[]
  isAlive(accessKeyId: string): boolean
  /** The returned function ends it. */
  fault(fault: AwsFault): () => void
  close(): Promise<void>
}

export async function startAws(options: AwsOptions): Promise<AwsStandIn> {
  const now = options.now ?? Date.now
  const journal: { action: string; form: URLSearchParams; host: string | undefined }[] = []
  const sessions: FakeSession[] = []
  const faults = new Set<AwsFault>()
  const closing = new AbortController()

  const perform = async (action: string, form: URLSearchParams, url: URL, caller: Caller, service: string): Promise<Answer> => {
    if (service === 's3') return getObject(url, caller)
    if (service === 'iam') return rolePolicy(form, caller, options.roles)
    if (action === 'GetCallerIdentity') {
      const arn = arnOf(caller)
      return succeed(action, { Arn: arn, UserId: userIdOf(caller), Account: arn.split(':')[4] ?? '' })
    }
    if (action !== 'AssumeRole') return fail(400, 'InvalidAction', `Could not find operation ${action}`)
    const { answer, session } = assumeRole(form, caller, options.roles, { now: now(), packedRoom: options.packedRoom ?? 2048 })
    if (session !== undefined) sessions.push(session)
    return answer
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`)
    const form = new URLSearchParams(body.toString('utf8'))
    const action = form.get('Action') ?? 'GetObject'
    journal.push({ action, form, host: request.headers.host })
    const fault = [...faults].find((one) => one.action === action)
    if (fault?.delay !== undefined) await pauseFor(request, fault.delay, closing.signal)
    if (fault?.cut === true || request.socket.destroyed) return void response.destroy()
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    if (action === 'AssumeRoleWithWebIdentity' && fault === undefined) {
      const { answer, session } = assumeWithToken(form, options.webIdentities ?? [], now())
      if (session !== undefined) sessions.push(session)
      return void response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(answer.body)
    }
    const who = await verify({ method: request.method ?? '', url, headers, body }, { identities: options.identities, sessions }, now())
    const answer =
      fault?.status === undefined
        ? 'status' in who
          ? who
          : await perform(action, form, url, who.caller, who.service)
        : {
            ...fail(fault.status, fault.code ?? codeOf(fault.status), fault.message ?? 'a fault of the stand-in', fault.headers),
            ...(fault.body === undefined ? {} : { body: fault.body }),
          }
    response
      .writeHead(answer.status, { 'content-type': 'text/xml', date: new Date(now()).toUTCString(), ...answer.headers })
      .end(answer.body)
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  const server = options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    journal,
    sessions,
    isAlive: (keyId) => sessions.some(({ accessKeyId, expiresAt }) => accessKeyId === keyId && expiresAt > now()),
    fault(fault) {
      faults.add(fault)
      return () => void faults.delete(fault)
    },
    async close() {
      closing.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** `GET /BUCKET/KEY`: every object exists. */
async function getObject(url: URL, caller: Caller): Promise<Answer> {
  const resource = `arn:aws:s3:::${decodeURIComponent(url.pathname.slice(1))}`
  if ('session' in caller && (await isAllowed(caller.session, 's3:GetObject', resource))) return { status: 200, body: 'the object' }
  return fail(403, 'AccessDenied', `${arnOf(caller)} is not authorized to perform: s3:GetObject on resource: "${resource}"`)
}

function codeOf(status: number): string {
  return (
    { 403: 'AccessDenied', 429: 'TooManyRequestsException', 503: 'ServiceUnavailable' }[status] ??
    (status < 500 ? 'ValidationError' : 'InternalFailure')
  )
}
