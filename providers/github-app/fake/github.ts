import { createPublicKey, randomBytes, randomUUID } from 'node:crypto'
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { importSPKI, jwtVerify } from 'jose'
import { answerOf, createFaults, type Fault, type HeldFault, send } from './faults.ts'
import type { Answer } from './answers.ts'
import { route } from './routes.ts'
import { type FakeApp, type FakeInstallation, hashOf, type JournalEntry, type MintedToken, type TokenView } from './state.ts'

export interface GithubOptions {
  readonly apps: readonly FakeApp[]
  readonly installations: readonly FakeInstallation[]
  readonly tls?: { readonly key: string; readonly cert: string }
  /** `classic`: ghs_ and 36 characters; `stateless`: ghs_<appid>_<jwt>, about 520. */
  readonly tokenFormat?: 'classic' | 'stateless'
  readonly now?: () => number
}

/** A server that enforces what GitHub enforces, on loopback. */
export interface GithubStandIn {
  readonly url: string
  readonly port: number
  readonly journal: readonly JournalEntry[]
  tokens(): TokenView[]
  isAlive(token: string): boolean
  /** Ends a token behind everybody's back. */
  end(token: string): void
  fault(fault: Fault): HeldFault
  close(): Promise<void>
}

export async function startGithub(options: GithubOptions): Promise<GithubStandIn> {
  const now = options.now ?? Date.now
  const journal: JournalEntry[] = []
  const minted = new Map<string, MintedToken>()
  const faults = createFaults()

  const alive = (token: MintedToken): boolean =>
    token.endedAt === undefined &&
    token.expiresAt > now() &&
    options.installations.find((known) => known.id === token.installation)?.suspended !== true
  const verifyApp = async (jwt: string): Promise<FakeApp | string> => {
    for (const app of options.apps) {
      const key = await importSPKI(createPublicKey(app.publicKeyPem).export({ type: 'spki', format: 'pem' }).toString(), 'RS256')
      const verified = await jwtVerify(jwt, key, { algorithms: ['RS256'], issuer: String(app.appId), currentDate: new Date(now()) }).catch(
        () => undefined,
      )
      if (verified === undefined) continue
      const { iat = 0, exp = 0 } = verified.payload
      if (iat * 1000 > now() + 1000) return "'Issued at' claim ('iat') must be an Integer representing a time in the past"
      if (exp * 1000 > now() + 601_000 || exp === 0) return "'Expiration time' claim ('exp') is too far in the future"
      return app
    }
    return 'A JSON web token could not be decoded'
  }
  const mint = (installation: FakeInstallation, permissions: Record<string, string>, repositories: readonly string[]): MintedToken => {
    const text =
      options.tokenFormat === 'stateless'
        ? `ghs_${installation.appId}_${randomBytes(27).toString('base64url')}.${randomBytes(300).toString('base64url')}.${randomBytes(48).toString('base64url')}`
        : `ghs_${randomBytes(40).toString('base64url').replace(/[-_]/g, 'x').slice(0, 36)}`
    const token: MintedToken = {
      token: text,
      hash: hashOf(text),
      installation: installation.id,
      permissions,
      repositories,
      mintedAt: now(),
      expiresAt: now() + 3_600_000,
    }
    minted.set(text, token)
    return token
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'https://api.github.com')
    const credential = /^(?:bearer|token) (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const entry: JournalEntry = {
      id: randomUUID().toUpperCase(),
      time: now(),
      method: request.method ?? '',
      path: url.pathname,
      status: 0,
      ...(credential === '' ? {} : { tokenHash: hashOf(credential) }),
    }
    journal.push(entry)
    const body = await readBody(request)
    const fault = await faults.meet(entry.method, url.pathname, request)
    if (fault?.cut === true || request.socket.destroyed) return void response.destroy()
    if (fault?.reply !== undefined) {
      await fault.reply(request, response)
      entry.status = response.statusCode
      return
    }
    const token = minted.get(credential)
    const app =
      token === undefined && credential.split('.').length === 3 && !credential.startsWith('ghs_') ? await verifyApp(credential) : undefined
    const answer: Answer =
      (fault === undefined ? undefined : answerOf(fault)) ??
      (await route(entry.method, url, body, {
        app: typeof app === 'object' ? app : undefined,
        appProblem: typeof app === 'string' ? app : undefined,
        token: token !== undefined && alive(token) ? token : undefined,
        installations: options.installations,
        mint,
        end: (dead) => {
          dead.endedAt = now()
        },
        now,
      }))
    entry.status = answer.status
    response.writeHead(answer.status, {
      'content-type': 'application/json; charset=utf-8',
      'x-github-request-id': entry.id,
      date: new Date(now()).toUTCString(),
      ...(answer.accepted === undefined ? {} : { 'x-accepted-github-permissions': answer.accepted }),
      ...answer.headers,
    })
    const text = answer.body === undefined ? '' : JSON.stringify(fault?.change === undefined ? answer.body : fault.change(answer.body))
    await send(response, text, fault)
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  const server: Server = options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    journal,
    tokens: () => [...minted.values()].map(({ token: _token, ...view }) => ({ ...view, alive: alive({ ...view, token: '' }) })),
    isAlive: (text) => {
      const token = minted.get(text)
      return token !== undefined && alive(token)
    },
    end(text) {
      const token = minted.get(text)
      if (token !== undefined) token.endedAt = now()
    },
    fault: (fault) => faults.add(fault),
    async close() {
      faults.release()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  if (parts.length === 0) return {}
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch {
    return undefined
  }
}
