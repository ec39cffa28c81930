import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { Provider } from 'oidc-provider'

export interface IdentityProvider {
  readonly issuer: string
  /** What a browser does where the person is logged in already, and agrees. */
  visit(address: string): Promise<void>
  close(): Promise<void>
}

const clientSecret = 'secret-of-vault-at-the-identity-provider'

/** The real oidc-provider, with Vault as its client. */
export async function startIdentityProvider(): Promise<IdentityProvider> {
  const server = createServer((request, response) => void handle(request, response).catch(() => request.socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const issuer = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const signing = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['of no importance'] },
    clients: [
      {
        client_id: 'vault',
        client_secret: clientSecret,
        application_type: 'native',
        redirect_uris: ['http://localhost/oidc/callback'],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => false },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: async (_: unknown, id: string) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    ttl: { AccessToken: 60, AuthorizationCode: 60, IdToken: 60, Session: 600, Grant: 600, Interaction: 600 },
  })
  const answer = provider.callback()
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url?.startsWith('/interaction/') !== true) return answer(request, response)
    const grant = new provider.Grant({ accountId: 'ada', clientId: 'vault' })
    grant.addOIDCScope('openid')
    await provider.interactionFinished(request, response, { login: { accountId: 'ada' }, consent: { grantId: await grant.save() } })
  }
  return {
    issuer,
    visit,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function visit(address: string): Promise<void> {
  const cookies = new Map<string, string>()
  let next = address
  for (let step = 0; step < 10; step += 1) {
    const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
    const response = await fetch(next, { redirect: 'manual', headers: headers.cookie === '' ? {} : headers })
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

/** Vault's part of a login: the page's address, and what comes back of it, once, to whoever began it. */
export class OidcMount {
  readonly #issuer: string
  readonly #begun = new Map<string, { readonly nonce: string; readonly client: string; readonly redirectUri: string }>()

  constructor(issuer: string) {
    this.#issuer = issuer
  }

  begin(redirectUri: string, client: string): string {
    // As Vault does with an address that the role does not allow.
    if (!/^http:\/\/localhost:\d+\/oidc\/callback$/.test(redirectUri)) return ''
    const [state, nonce] = [`st_${randomBytes(16).toString('hex')}`, `n_${randomBytes(16).toString('hex')}`]
    this.#begun.set(state, { nonce, client, redirectUri })
    const query = { client_id: 'vault', response_type: 'code', scope: 'openid', redirect_uri: redirectUri, state, nonce }
    return `${this.#issuer}/auth?${new URLSearchParams(query).toString()}`
  }

  /** Who logged in; undefined when this is no answer to a login that was begun. */
  async finish({
    state,
    code,
    client,
  }: {
    readonly state: string
    readonly code: string
    readonly client: string
  }): Promise<string | undefined> {
    const begun = this.#begun.get(state)
    this.#begun.delete(state)
    if (begun === undefined || begun.client !== client) return undefined
    const body = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: begun.redirectUri })
    const authorization = `Basic ${Buffer.from(`vault:${clientSecret}`).toString('base64')}`
    const response = await fetch(`${this.#issuer}/token`, { method: 'POST', headers: { authorization }, body })
    const { id_token: token = '' }: { id_token?: string } = JSON.parse(await response.text())
    const keys = createRemoteJWKSet(new URL(`${this.#issuer}/jwks`))
    const { payload } = await jwtVerify(token, keys, { issuer: this.#issuer, audience: 'vault' })
    return payload['nonce'] === begun.nonce ? payload.sub : undefined
  }
}
