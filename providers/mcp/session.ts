import { z } from 'zod'
import { JitError, type ProviderHost, Secret } from '../../src/provider/index.ts'
import type { Client } from './client.ts'

/** The name under which a login is sealed, as one: tokens, client and issuer belong together. */
export const sessionSecret = 'session'

/** What a person's login at the authorization server of one MCP server came to. */
export interface Session {
  /** Of this login, through all renewals. */
  readonly id: string
  /** The MCP server's address, as it was configured. */
  readonly server: string
  readonly resource: string
  /** Credentials are shown to no other. */
  readonly issuer: string
  readonly redirectUri: string
  readonly client: Client
  /** What the person agreed to; empty where the server never said. */
  readonly consented: readonly string[]
  /** What the MCP server asked for since, for the next login. */
  readonly wanted: readonly string[]
  readonly accessToken: Secret | undefined
  /** Milliseconds since 1970; undefined where the server does not say. */
  readonly expiresAt: number | undefined
  /** Milliseconds that it was good for when it came. */
  readonly life: number | undefined
  readonly refreshToken: Secret | undefined
}

const sealedForm = z.strictObject({
  id: z.string(),
  server: z.string(),
  resource: z.string(),
  issuer: z.string(),
  redirectUri: z.string(),
  client: z.strictObject({
    id: z.string(),
    secret: z.string().optional(),
    authentication: z.string().optional(),
    registration: z.enum(['by hand', 'by document', 'dynamic']),
  }),
  consented: z.array(z.string()),
  wanted: z.array(z.string()),
  accessToken: z.string().optional(),
  expiresAt: z.number().optional(),
  life: z.number().optional(),
  refreshToken: z.string().optional(),
})

export function sealSession(session: Session): Secret {
  const { client, accessToken, refreshToken } = session
  return new Secret(
    JSON.stringify({
      ...session,
      client: { ...client, secret: client.secret?.reveal() },
      accessToken: accessToken?.reveal(),
      refreshToken: refreshToken?.reveal(),
    }),
  )
}

/** Undefined where it is none, of whatever version that wrote it. */
export function openSession(sealed: Secret): Session | undefined {
  const parsed = sealedForm.safeParse(parse(sealed.reveal()))
  if (!parsed.success) return undefined
  const { client, accessToken, refreshToken, expiresAt, life, ...rest } = parsed.data
  return {
    ...rest,
    client: { ...client, secret: secretOf(client.secret), authentication: client.authentication },
    accessToken: secretOf(accessToken),
    refreshToken: secretOf(refreshToken),
    expiresAt,
    life,
  }
}

/** The login of a provider. Throws `provider.login` where there is none for this server. */
export function readSession(host: ProviderHost, server: string): Session {
  const session = host.hasSecret(sessionSecret) ? openSession(host.secret(sessionSecret)) : undefined
  if (session === undefined) throw logInAgain(host, server, 'has no login')
  if (session.server !== server) throw logInAgain(host, server, `has a login for ${session.server}, and its \`url\` is another now`)
  return session
}

export function logInAgain(host: ProviderHost, server: string, why: string, details: Readonly<Record<string, unknown>> = {}): JitError {
  return new JitError('provider.login', `provider ${host.name} ${why}`, {
    hint: `Log in again: \`jit login mcp ${server} ${host.name} --replace\`.`,
    details: { sent: false, ...details },
  })
}

function secretOf(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : new Secret(text)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
