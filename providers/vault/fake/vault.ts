import { randomBytes } from 'node:crypto'
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { isAllowed, parsePolicy, type Rules } from './acl.ts'
import { createChild, secondsOf } from './create.ts'
import { type Fault, Faults } from './faults.ts'
import { logIn } from './logins.ts'
import { OidcMount } from './oidc.ts'
import { dataOf, denied, done, failed, lookupOf, authOf } from './shapes.ts'
import type { Answer, PolicyEntry, TokenEntry, VaultEntry, VaultSetup } from './state.ts'
import { Tokens } from './tokens.ts'

export type NodeState = 'active' | 'sealed' | 'standby' | 'standby-redirect' | 'performance-standby' | 'not-initialised'

/** A server that enforces what Vault enforces, on loopback. */
export interface VaultStandIn {
  readonly url: string
  readonly port: number
  readonly journal: readonly VaultEntry[]
  /** What it is from here on. */
  become(state: NodeState): void
  /** Of tokens that somebody minted: neither seeded nor made by a login. */
  children(): readonly TokenEntry[]
  /** The broker's own tokens that live. */
  own(): readonly TokenEntry[]
  leases(): number
  policies(): readonly string[]
  isAlive(secret: string): boolean
  revokeOwn(): void
  fault(fault: Fault): () => void
  close(): Promise<void>
}

const defaultPolicy = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
`

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly token: TokenEntry
}

export async function startVault(setup: VaultSetup): Promise<VaultStandIn> {
  const now = setup.now ?? Date.now
  const product = setup.product ?? 'vault'
  const tokens = new Tokens(now, product)
  const policies = new Map<string, PolicyEntry>()
  const kv = new Map(Object.entries(setup.kv ?? {}).map(([mount, data]) => [mount, new Map(Object.entries(data))]))
  const journal: VaultEntry[] = []
  const faults = new Faults()
  let state: NodeState = 'active'

  for (const [name, text] of Object.entries({ default: defaultPolicy, ...setup.policies })) {
    if (parsePolicy(text) === undefined) throw new Error(`policy ${name} is none`)
    policies.set(name, { text, expiresAt: Number.POSITIVE_INFINITY })
  }
  for (const { id, policies: named, ttl = 0, period = 0 } of setup.tokens ?? [])
    tokens.create({
      id,
      policies: named,
      ttl: period > 0 ? period : ttl,
      period,
      renewable: period > 0 || ttl > 0,
      own: true,
      displayName: 'seeded',
    })

  const rulesOf = (token: TokenEntry): Rules[] =>
    token.policies.flatMap((name) => {
      const entry = policies.get(name)
      const rules = entry === undefined || entry.expiresAt <= now() ? undefined : parsePolicy(entry.text)
      return rules === undefined ? [] : [rules]
    })
  const mayDo = (token: TokenEntry, path: string, capability: string): boolean =>
    token.policies.includes('root') || isAllowed(rulesOf(token), path, capability)

  const answerTo = (method: string, path: string, given: unknown, id: string | undefined): Answer => {
    if (path === 'sys/health') return healthOf(state, product)
    if (state === 'sealed' || state === 'not-initialised') return failed(503, 'Vault is sealed')
    if (state === 'standby') return failed(500, 'local node not active but active cluster node not found')
    if (state === 'standby-redirect') return { status: 307, headers: { location: `https://active.vault.invalid/v1/${path}` } }
    if (state === 'performance-standby') return failed(412, 'required index state not present')
    if (path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) return failed(400, 'path is not clean')
    const login = logIn(path, given, setup.logins ?? {}, tokens, now())
    if (login !== undefined) return login
    const token = tokens.alive(id)
    if (token === undefined) return failed(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n')
    const spent = tokens.spend(token)
    try {
      if (!mayDo(token, path, capabilityOf(method))) return denied
      return route({ method, path, body: given, token })
    } finally {
      spent()
    }
  }

  const oidc = setup.oidc === undefined ? undefined : new OidcMount(setup.oidc.issuer)
  const oidcAnswer = async (path: string, url: string, body: unknown): Promise<Answer | undefined> => {
    if (oidc === undefined || setup.oidc === undefined || !path.startsWith('auth/oidc/oidc/')) return undefined
    if (path === 'auth/oidc/oidc/auth_url')
      return dataOf({ auth_url: oidc.begin(field(body, 'redirect_uri'), field(body, 'client_nonce')) })
    const query = new URL(url, 'http://vault').searchParams
    const given = { state: query.get('state') ?? '', code: query.get('code') ?? '', client: query.get('client_nonce') ?? '' }
    const who = await oidc.finish(given).catch(() => undefined)
    if (who === undefined) return failed(400, 'Vault login failed. Expired or missing OAuth state.')
    const { policies, maxTtl = 86_400 } = setup.oidc
    const entry = tokens.create({
      policies: [...policies, 'default'],
      ttl: 3600,
      limit: now() + maxTtl * 1000,
      renewable: true,
      displayName: `oidc-${who}`,
      own: true,
    })
    return { status: 200, body: authOf(entry) }
  }

  const route = (asked: Asked): Answer => {
    const { path } = asked
    if (path.startsWith('auth/token/')) return tokenRoute(asked)
    if (path.startsWith('sys/leases/')) return leaseRoute(asked)
    if (path.startsWith('sys/policies/acl/')) return policyRoute(asked)
    if (path === 'sys/mounts')
      return dataOf(Object.fromEntries([...kv.keys()].map((mount) => [`${mount}/`, { type: 'kv', options: { version: '2' } }])))
    const role = setup.dynamic?.[path]
    if (role !== undefined) {
      const data = role.data(randomBytes(12).toString('hex'))
      if (role.leased === false) return dataOf(data)
      const id = `${path}/${randomBytes(18).toString('base64url')}`
      tokens.lease({ id, token: asked.token.id, expiresAt: now() + role.ttl * 1000, data, renewable: true, revoked: false })
      return { status: 200, body: { lease_id: id, lease_duration: role.ttl, renewable: true, data } }
    }
    return kvRoute(asked)
  }

  const tokenRoute = ({ path, body, token }: Asked): Answer => {
    const [, , what = '', name] = path.split('/')
    const accessor = field(body, 'accessor')
    if (what === 'create') {
      const role = name === undefined ? undefined : setup.tokenRoles?.[name]
      if (name !== undefined && role === undefined) return failed(400, `unknown role ${name}`)
      const answer = createChild(body, role, token, tokens, now())
      const asked = typeof body === 'object' && body !== null && 'policies' in body && Array.isArray(body.policies) ? body.policies : []
      const warnings = asked.filter((policy) => !policies.has(policy)).map((policy) => `Policy ${JSON.stringify(policy)} does not exist`)
      return answer.status === 200 ? { ...answer, body: { ...Object(answer.body), warnings } } : answer
    }
    if (what === 'lookup-self') return lookupOf(token, now())
    if (what === 'renew-self') {
      if (!token.renewable) return failed(400, 'lease is not renewable')
      token.expiresAt = Math.min(token.limit, now() + (token.period > 0 ? token.period : token.ttl) * 1000)
      return { status: 200, body: authOf({ ...token, ttl: Math.round((token.expiresAt - now()) / 1000) }) }
    }
    if (what === 'revoke-self') return (tokens.revoke(token), done)
    const found = tokens.byAccessor(accessor)
    if (found === undefined && what === 'revoke-accessor' && product === 'openbao')
      return { status: 200, body: { warnings: ['No token found with this accessor'] } }
    if (found === undefined)
      return failed(what === 'lookup-accessor' && product === 'vault' ? 403 : 400, '1 error occurred:\n\t* invalid accessor\n\n')
    if (what === 'lookup-accessor') return lookupOf(found, now())
    if (what === 'revoke-accessor') return (tokens.revoke(found), done)
    return failed(404, 'unsupported path')
  }

  const leaseRoute = ({ path, body }: Asked): Answer => {
    const id = field(body, 'lease_id')
    const lease = tokens.liveLease(id)
    if (path.endsWith('/lookup')) return lease === undefined ? failed(400, 'invalid lease') : dataOf({ id, ttl: 1 })
    if (lease === undefined) return done
    lease.revoked = true
    return typeof body === 'object' && body !== null && 'sync' in body && body.sync === true
      ? done
      : { status: 202, body: { warnings: ['queued'] } }
  }

  const policyRoute = ({ method, path, body }: Asked): Answer => {
    const name = path.slice('sys/policies/acl/'.length).toLowerCase()
    if (method === 'DELETE') return (policies.delete(name), done)
    if (method === 'GET') {
      const entry = policies.get(name)
      return entry === undefined ? failed(404) : dataOf({ name, policy: entry.text })
    }
    const text = field(body, 'policy')
    if (parsePolicy(text) === undefined) return failed(400, 'failed to parse policy')
    const seconds = product === 'openbao' && typeof body === 'object' && body !== null && 'ttl' in body ? secondsOf(body.ttl) : undefined
    policies.set(name, { text, expiresAt: seconds === undefined ? Number.POSITIVE_INFINITY : now() + seconds * 1000 })
    return product === 'openbao' ? done : { status: 200, body: { warnings: ['Endpoint ignored these unrecognized parameters: [ttl]'] } }
  }

  const kvRoute = ({ method, path, body }: Asked): Answer => {
    const [mount = '', kind = '', ...rest] = path.split('/')
    const data = kv.get(mount)
    const name = rest.join('/')
    if (data === undefined || (kind !== 'data' && kind !== 'metadata'))
      return failed(404, `no handler for route "${path}". route entry not found.`)
    if (method === 'LIST') return dataOf({ keys: [...data.keys()].filter((key) => key.startsWith(name)) })
    if (method === 'DELETE') return (data.delete(name), done)
    if (method === 'POST' || method === 'PUT') {
      data.set(name, (body as { data?: Record<string, string> }).data ?? {})
      return dataOf({ version: 1 })
    }
    const found = data.get(name)
    return found === undefined ? failed(404) : dataOf({ data: found, metadata: { version: 1 } })
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // As it came: a WHATWG URL would fold `..` before anyone saw it.
    const path = decodeURIComponent((request.url ?? '').replace(/\?.*$/, '')).replace(/^\/v1\//, '')
    const id = one(request.headers['x-vault-token'])
    const body = await readBody(request)
    const method = request.url?.endsWith('?list=true') === true ? 'LIST' : (request.method ?? '')
    const entry: VaultEntry = {
      time: now(),
      method,
      path,
      namespace: one(request.headers['x-vault-namespace']),
      body,
      token: id !== undefined,
      status: 0,
    }
    journal.push(entry)
    const fault = await faults.meet(method, path, request, false)
    if (fault === 'cut' || request.socket.destroyed) return void response.destroy()
    const right = fault ?? (await oidcAnswer(path, request.url ?? '', body)) ?? answerTo(method, path, body, id)
    const late = await faults.meet(method, path, request, true)
    if (late === 'cut' || request.socket.destroyed) return void response.destroy()
    const answer = late ?? right
    entry.status = answer.status
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body))
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void handle(request, response).catch((error: unknown) => response.writeHead(500).end(JSON.stringify({ errors: [String(error)] })))
  const server: Server = setup.tls === undefined ? createHttpServer(listener) : createHttpsServer(setup.tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const living = (own: boolean): TokenEntry[] =>
    [...tokens.tokens.values()].filter((entry) => entry.own === own && tokens.alive(entry.id) !== undefined)
  return {
    url: `${setup.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    journal,
    become: (next) => (state = next),
    children: () => living(false),
    own: () => living(true),
    leases: () => [...tokens.leases.keys()].filter((id) => tokens.liveLease(id) !== undefined).length,
    policies: () => [...policies].filter(([, { expiresAt }]) => expiresAt > now()).map(([name]) => name),
    isAlive: (secret) =>
      tokens.alive(secret) !== undefined ||
      [...tokens.leases.values()].some((lease) => Object.values(lease.data).includes(secret) && tokens.liveLease(lease.id) !== undefined),
    revokeOwn: () => living(true).forEach((entry) => tokens.revoke(entry)),
    fault: (fault) => faults.add(fault),
    async close() {
      faults.release()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function healthOf(state: NodeState, product: 'vault' | 'openbao'): Answer {
  const status = { active: 200, sealed: 503, standby: 429, 'standby-redirect': 429, 'performance-standby': 473, 'not-initialised': 501 }[
    state
  ]
  return {
    status,
    body: {
      initialized: state !== 'not-initialised',
      sealed: state === 'sealed' || state === 'not-initialised',
      standby: state.includes('standby'),
      performance_standby: state === 'performance-standby',
      version: product === 'vault' ? '1.21.0' : '2.4.1',
    },
  }
}

function capabilityOf(method: string): string {
  return { GET: 'read', LIST: 'list', DELETE: 'delete', PATCH: 'patch' }[method] ?? 'update'
}

function one(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0]
}

function field(body: unknown, name: string): string {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined
  return typeof value === 'string' ? value : ''
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch {
    return undefined
  }
}
