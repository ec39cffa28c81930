import { z } from 'zod'
import { isServerAddress } from './address.ts'

const address = z
  .string()
  .refine(isServerAddress, 'an address is https://…, or http:// on this machine, without a user, a password and "#"')

/** On a command line: with spaces between. */
const scopes = z.union([z.array(z.string()), z.string().transform((text) => text.trim().split(/\s+/))]).pipe(
  z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, 'a scope is text without spaces, quotes and backslashes'))
    .min(1)
    .max(64),
)

const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })])

/** What stands under `providers.<name>` for `kind: mcp`; the client's secret and all tokens are in the sealed store. */
export const mcpConfig = z
  .strictObject({
    url: address.describe('the MCP server, as its documentation says it'),
    scopes: scopes.optional().describe('what to ask for; default: what the server asks for'),
    issuer: address.optional().describe('the authorization server, where the MCP server names several'),
    clientId: z.union([z.string().min(1).max(2048), z.int().transform(String)]).optional(),
    clientMetadataUrl: z
      .string()
      .refine((text) => isServerAddress(text) && new URL(text).protocol === 'https:' && new URL(text).pathname !== '/', 'https://…/path')
      .optional()
      .describe('a client id metadata document of your own'),
    redirectPort: z.int().min(1).max(65_535).optional().describe('default: a free one'),
    /** A revision 2025-03-26 server without metadata: `/authorize`, `/token` and `/register` at its own origin. */
    legacyEndpoints: flag.default(false),
    revoke: z.enum(['lease', 'logout']).default('logout').describe('when access tokens are revoked upstream'),
  })
  .superRefine((config, context) => {
    if (config.clientId !== undefined && config.clientMetadataUrl !== undefined)
      context.addIssue({ code: 'custom', path: ['clientMetadataUrl'], message: 'give `clientId` or `clientMetadataUrl`' })
  })

export type McpConfig = z.output<typeof mcpConfig>
