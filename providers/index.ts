import type { ProviderPlugin } from '../src/provider/index.ts'
import { awsSts } from './aws-sts/index.ts'
import { githubApp } from './github-app/index.ts'
import { mcp } from './mcp/index.ts'
import { oauth } from './oauth/index.ts'
import { staticKey } from './static/index.ts'
import { vault } from './vault/index.ts'

/** Every kind of provider; one line each. */
export const providers: readonly ProviderPlugin[] = [githubApp, awsSts, vault, oauth, mcp, staticKey]
