import { z } from 'zod'
import { duration } from '../../src/provider/index.ts'
import { isSafeEndpoint } from './endpoint.ts'
import { oauthScope } from './scope.ts'

const endpoint = z
  .string()
  .refine(isSafeEndpoint, 'an address is https://…, or http:// on this machine, without a user, a password and "#"')

/** On a command line: scopes with spaces between, or a whole scope as JSON. */
const proofText = z.string().transform((text, context) => {
  try {
    return oauthScope.parse(text.trimStart().startsWith('{') ? JSON.parse(text) : { scopes: text.trim().split(/\s+/) })
  } catch {
    context.addIssue({
      code: 'custom',
      message: 'scopes with spaces between, or a scope as JSON: {"audience": ["https://api.example.com"]}',
    })
    return z.NEVER
  }
})

/** What stands under `providers.<name>` for `kind: oauth`; client secret, private key and subject token are in the sealed store. */
export const oauthConfig = z
  .strictObject({
    issuer: endpoint.refine((text) => !text.includes('?'), 'an issuer has no query').optional(),
    tokenEndpoint: endpoint.optional(),
    revocationEndpoint: endpoint.optional(),
    introspectionEndpoint: endpoint.optional(),
    clientId: z.union([z.string().min(1), z.int().transform(String)]),
    authentication: z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt']).default('client_secret_basic'),
    keyId: z.string().min(1).optional().describe('`kid` of the private key, where the server has several'),
    grant: z.enum(['client_credentials', 'token-exchange']).default('client_credentials'),
    subjectTokenType: z.string().startsWith('urn:').default('urn:ietf:params:oauth:token-type:access_token'),
    actor: z
      .union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })])
      .default(false)
      .describe('token exchange: say who acts, in a signed actor_token'),
    origin: z
      .string()
      .regex(/^https?:\/\/[^/?#\s@]+$/, 'an origin is https://host[:port], without a path')
      .describe('what the tokens are for: where request rules without a host go'),
    proof: z.union([oauthScope, proofText]).describe('the scope that `jit login` mints and revokes again'),
    maxTtl: duration.prefault('1h').describe('a token that lives longer is refused'),
    defaultTtl: duration.prefault('5m').describe('life of a token whose answer says none: what the server documents, or less'),
  })
  .superRefine((config, context) => {
    const problem = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if ((config.issuer === undefined) === (config.tokenEndpoint === undefined))
      problem('issuer', 'give `issuer`, whose metadata say the rest, or `tokenEndpoint`')
    for (const field of ['revocationEndpoint', 'introspectionEndpoint'] as const) {
      if (config[field] !== undefined && config.tokenEndpoint === undefined)
        problem(field, 'belongs to `tokenEndpoint`; `issuer` has its own')
    }
    if (config.actor && config.grant !== 'token-exchange') problem('actor', 'only a token exchange takes an actor token')
    if (config.keyId !== undefined && config.authentication !== 'private_key_jwt') problem('keyId', 'belongs to private_key_jwt')
  })

export type OauthConfig = z.output<typeof oauthConfig>
