import { createRequire } from 'node:module'
import type * as auth from '@modelcontextprotocol/sdk/client/auth.js'

const require = createRequire(import.meta.url)

/** The SDK's part of OAuth. Loaded when it is first needed: it takes ten megabytes, and not everybody has such a login. */
export function sdk(): typeof auth {
  return require('@modelcontextprotocol/sdk/client/auth.js')
}
