import { z } from 'zod'
import type { Tokens } from './tokens.ts'
import type { Answer, LoginMount } from './state.ts'
import { authOf } from './shapes.ts'

const body = z.object({
  role_id: z.string().optional(),
  secret_id: z.string().optional(),
  password: z.string().optional(),
  role: z.string().optional(),
  jwt: z.string().optional(),
})

/** `auth/<mount>/login[/<user>]`; undefined for other paths. Needs no token. */
export function logIn(
  path: string,
  given: unknown,
  mounts: Readonly<Record<string, LoginMount>>,
  tokens: Tokens,
  now: number,
): Answer | undefined {
  const match = /^auth\/(.+?)\/login(?:\/([^/]+))?$/.exec(path)
  if (match === null) return undefined
  const mount = mounts[match[1] ?? '']
  const asked = body.safeParse(given)
  if (mount === undefined || !asked.success) return { status: 403, body: { errors: ['permission denied'] } }
  const right = {
    approle: asked.data.role_id === mount.name && asked.data.secret_id === mount.secret,
    userpass: match[2] === mount.name && asked.data.password === mount.secret,
    jwt: asked.data.role === mount.name && asked.data.jwt === mount.secret,
    kubernetes: asked.data.role === mount.name && asked.data.jwt === mount.secret,
  }[mount.type]
  if (!right) return { status: mount.type === 'kubernetes' ? 403 : 400, body: { errors: [words[mount.type]] } }
  const { ttl = 3600, maxTtl = 86_400, tokenType = 'service' } = mount
  const entry = tokens.create({
    policies: [...mount.policies, 'default'],
    type: tokenType,
    ttl,
    limit: now + maxTtl * 1000,
    renewable: tokenType === 'service',
    displayName: `${mount.type}-${mount.name}`,
    own: true,
  })
  return { status: 200, body: authOf(entry) }
}

const words = {
  approle: 'invalid role or secret ID',
  userpass: 'invalid username or password',
  jwt: 'error validating token: no known key successfully validated the token signature',
  kubernetes: 'permission denied',
}
