import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { exportJWK, generateKeyPair } from 'jose'
import { errors, Provider } from 'oidc-provider'
import { pauseFor } from '../../../test/support/pause.ts'
import { Store } from './store.ts'

export const clientSecret = 'a+secret of the client%0123456789abcdef'

/** What happens to requests of one path instead of what the servers would do. */
export interface Twist {
  readonly path: string | RegExp
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly cut?: boolean
  /** Milliseconds; ends early with the twist. */
  readonly delay?: number
  /** Changes the answer. */
  readonly answer?: (body: Record<string, unknown>) => unknown
  /** Answers this text instead. */
  readonly text?: string
}

export interface Seen {
  readonly method: string
  readonly path: string
  readonly body: string
  readonly headers: IncomingMessage['headers']
}

/** An MCP server that wants tokens, and the authorization server that gives them. */
export interface World {
  readonly url: string
  readonly issuer: string
  readonly store: Store
  readonly journal: readonly Seen[]
  /** Scopes that the MCP server wants of a token for its tools. */
  require(scopes: readonly string[]): void
  twist(twist: Twist): () => void
  /** What a browser does where the person says yes to everything: it goes where it is sent, and ends at the way back. */
  visit(address: string): Promise<void>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly tls?: { readonly key: string; readonly cert: string }
  /** As it comes, this authorization server ends a whole login with any of its tokens; here each token ends by itself. */
  readonly endsAlone?: boolean
  /** Seconds that access tokens live. */
  readonly tokenLife?: number
  /** The MCP server itself, for requests whose token is good; a stand-in when absent. */
  serve?(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const journal: Seen[] = []
  const twists: { twist: Twist; over: AbortController }[] = []
  const store = new Store(options.endsAlone ?? false)
  const { tokenLife = 120, serve: server } = options
  const scheme = options.tls === undefined ? 'http' : 'https'
  let required: readonly string[] = []
  const serve = async (handler: (request: IncomingMessage, response: ServerResponse, body: string) => Promise<void>): Promise<Bound> =>
    listen((request, response) => void meet(request, response, handler).catch(() => request.socket.destroy()), options.tls)

  const meet = async (
    request: IncomingMessage,
    response: ServerResponse,
    handler: (request: IncomingMessage, response: ServerResponse, body: string) => Promise<void>,
  ): Promise<void> => {
    const { method = 'GET', url: path = '/', headers } = request
    const body = await readAll(request)
    journal.push({ method, path, body, headers })
    const found = twists.find(({ twist }) => (typeof twist.path === 'string' ? twist.path === path : twist.path.test(path)))
    const twist = found?.twist
    if (twist?.delay !== undefined) await pauseFor(request, twist.delay, found?.over.signal)
    if (twist?.cut === true) return void request.socket.destroy()
    if (twist?.status !== undefined || twist?.text !== undefined) {
      response.writeHead(twist.status ?? 200, { 'content-type': 'application/json', ...twist.headers })
      return void response.end(twist.text ?? JSON.stringify({ error: 'a_fault', error_description: 'of the stand-in' }))
    }
    if (twist?.answer !== undefined) return handler(request, changing(response, twist.answer), body)
    await handler(request, response, body)
  }

  const as = await serve(async (request, response, body) => {
    if (request.url?.startsWith('/interaction/') === true) return consent(request, response)
    // The body was read here: the server takes it from where its framework would have left it.
    Object.assign(request, { body: request.headers['content-type']?.includes('json') === true ? JSON.parse(body) : body })
    await answer(request, response)
  })
  const issuer = `${scheme}://127.0.0.1:${as.port}`
  const rs = await serve(async (request, response, body) => resource(request, response, body))
  const origin = `${scheme}://127.0.0.1:${rs.port}`
  const url = `${origin}/mcp`

  const signing = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['of no importance'] },
    adapter: store.adapter,
    clients: [
      {
        client_id: 'by-hand',
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_basic',
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
    ],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
    scopes: ['issues:read', 'issues:write', 'admin', 'offline_access'],
    pkce: { required: () => true },
    ttl: { AccessToken: tokenLife, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: async (_: unknown, id: string) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => url,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, asked: string) => {
          if (asked !== url) throw new errors.InvalidTarget('unknown resource')
          return { scope: 'issues:read issues:write admin', accessTokenFormat: 'opaque', accessTokenTTL: tokenLife }
        },
      },
    },
  })
  const answer = provider.callback()

  const consent = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { params } = await provider.interactionDetails(request, response)
    const grant = new provider.Grant({ accountId: 'ada', clientId: params['client_id'] ?? '' })
    grant.addOIDCScope(params['scope'] ?? '')
    grant.addResourceScope(url, params['scope'] ?? '')
    await provider.interactionFinished(request, response, { login: { accountId: 'ada' }, consent: { grantId: await grant.save() } })
  }

  const resource = async (request: IncomingMessage, response: ServerResponse, body: string): Promise<void> => {
    const reply = (status: number, value: unknown, headers: Record<string, string> = {}): void =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
    if (request.url === '/.well-known/oauth-protected-resource/mcp')
      return reply(200, { resource: url, authorization_servers: [issuer], scopes_supported: ['issues:read', 'issues:write'] })
    if (request.url !== '/mcp') return reply(404, {})
    const metadata = `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
    const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? []
    const known = store.find('AccessToken', token)
    if (known === undefined || known['aud'] !== url)
      return reply(401, {}, { 'www-authenticate': `Bearer ${token === '' ? '' : 'error="invalid_token", '}${metadata}` })
    const has = String(known['scope'] ?? '').split(' ')
    if (required.some((scope) => !has.includes(scope)))
      return reply(403, {}, { 'www-authenticate': `Bearer error="insufficient_scope", scope="${required.join(' ')}", ${metadata}` })
    if (server !== undefined) return server(request, response, body === '' ? undefined : JSON.parse(body))
    if (request.method === 'DELETE') return reply(204, '')
    const { id = null, method = '' }: { id?: unknown; method?: string } = JSON.parse(body)
    const result =
      method === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } } : { tools: [] }
    reply(200, { jsonrpc: '2.0', id, result }, method === 'initialize' ? { 'mcp-session-id': 'session-of-a-test' } : {})
  }

  return {
    url,
    issuer,
    store,
    journal,
    require: (scopes) => void (required = scopes),
    twist(twist) {
      const entry = { twist, over: new AbortController() }
      twists.unshift(entry)
      return () => {
        entry.over.abort()
        twists.splice(twists.indexOf(entry), 1)
      }
    },
    visit,
    async close() {
      for (const { over } of twists) over.abort()
      await Promise.all([as.close(), rs.close()])
    },
  }
}

async function visit(address: string): Promise<void> {
  const cookies = new Map<string, string>()
  let next = address
  for (let step = 0; step < 10; step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(next, { redirect: 'manual', headers: cookie === '' ? {} : { cookie } })
    await response.body?.cancel()
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) return
    next = new URL(location, next).href
  }
}

/** An answer whose JSON body goes through a function on its way out. */
function changing(response: ServerResponse, change: (body: Record<string, unknown>) => unknown): ServerResponse {
  const end = response.end.bind(response)
  response.end = (chunk?: unknown) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.isBuffer(chunk) ? chunk.toString('utf8') : ''
    const changed = text === '' ? text : JSON.stringify(change(JSON.parse(text)))
    if (!response.headersSent) response.setHeader('content-length', Buffer.byteLength(changed))
    return end(changed)
  }
  return response
}

interface Bound {
  readonly port: number
  close(): Promise<void>
}

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  tls: { readonly key: string; readonly cert: string } | undefined,
): Promise<Bound> {
  const server: Server = tls === undefined ? createServer(handler) : createHttpsServer(tls, handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text
}
