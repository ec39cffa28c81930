import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { duration } from '../../src/provider/index.ts'
import { isPath, isPolicyName, isSegment } from './path.ts'

const segment = z.string().refine(isSegment, 'letters, digits and ._@:~=- only')
const path = z.string().refine(isPath, 'segments of letters, digits and ._@:~=-, separated by one "/"; no wildcard, no ".."')

/** What stands under `providers.<name>` for `kind: vault`; token, secret id, password and JWT are in the sealed store. */
export const vaultConfig = z
  .strictObject({
    address: z
      .url({ protocol: /^https?$/ })
      .refine((text) => URL.canParse(text) && isOrigin(new URL(text)), 'scheme, host and port only, e.g. https://vault.example.com:8200'),
    namespace: path.optional(),
    method: z.enum(['token', 'approle', 'userpass', 'jwt', 'kubernetes', 'oidc']).default('token'),
    /** Where the login method is mounted, below `auth/`; its own name when absent. */
    mount: path.optional(),
    /** AppRole: the role id. JWT, Kubernetes and OIDC: the role's name; OIDC has a default of its own. */
    role: z.union([z.string().regex(/^[\x21-\x7e]{1,256}$/), z.int().nonnegative().transform(String)]).optional(),
    username: z.union([segment, z.int().nonnegative().transform(String)]).optional(),
    /** A projected token, read anew at each login. */
    jwtFile: z.string().refine(isAbsolute, 'an absolute path').optional(),
    /** OIDC: for the way back from the browser, as the role's allowed_redirect_uris has it. */
    redirectPort: z.int().min(1).max(65_535).default(8250),
    /** Child tokens are made through `auth/token/create/<tokenRole>`. */
    tokenRole: segment.optional(),
    ephemeralPolicies: z.boolean().default(false),
    maxTtl: duration.prefault('1h').describe('no lease and no token is asked for longer'),
  })
  .superRefine(({ method, role, username }, context) => {
    const needed = { token: undefined, approle: 'role', userpass: 'username', jwt: 'role', kubernetes: 'role', oidc: undefined } as const
    const field = needed[method]
    if (field !== undefined && (field === 'role' ? role : username) === undefined)
      context.addIssue({ code: 'custom', path: [field], message: `method ${method} needs ${field}` })
  })

export type VaultConfig = z.output<typeof vaultConfig>

/** The own token is the one that was sealed at the login: the broker cannot get another without a person. */
export function isSealedToken({ method }: VaultConfig): boolean {
  return method === 'token' || method === 'oidc'
}

const uses = z.int().min(1).max(1000).exactOptional()
const policy = z
  .string()
  .refine(isPolicyName, 'a policy name in lower case')
  .refine((name) => name !== 'root', 'root can do everything')

const policies = z.strictObject({ policies: z.array(policy).min(1).max(16), uses })

const dynamic = z.strictObject({
  dynamic: path
    .refine((text) => text.includes('/'), 'mount/creds/role')
    .refine((text) => !/^(auth|sys|identity|cubbyhole)(\/|$)/i.test(text), 'a secrets engine, not Vault itself'),
  /** Sent with a POST instead of a GET: `ttl`, `kubernetes_namespace`, `role_arn`. */
  parameters: z
    .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/), z.union([z.string().min(1).max(2048), z.number(), z.boolean()]))
    .refine((given) => Object.keys(given).length > 0, 'at least one parameter, or none at all')
    .exactOptional(),
})

/** In parts where a value of a call has several segments itself: `["secret", "data", "${args.path}"]`. */
const policyPath = z
  .union([path, z.array(path).min(1).max(16)])
  .refine((value) => isPath(typeof value === 'string' ? value : value.join('/')), 'too long')

const paths = z.strictObject({
  paths: z
    .array(
      z.strictObject({
        path: policyPath,
        capabilities: z.array(z.enum(['create', 'read', 'update', 'patch', 'delete', 'list'])).min(1),
      }),
    )
    .min(1)
    .max(32),
  uses,
})

/** What one operation may ask for. Nothing in it may mean "everything". */
export const vaultScope = z.union([policies, dynamic, paths])

export type VaultScope = z.output<typeof vaultScope>
export type PathsScope = z.output<typeof paths>

function isOrigin(url: URL): boolean {
  return url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
}
