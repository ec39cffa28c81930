import type { ProviderPlugin } from '../src/provider/index.ts'
import { githubApp } from './github-app/index.ts'
import { vault } from './vault/index.ts'

/** Every kind of provider; one line each. */
export const providers: readonly ProviderPlugin[] = [githubApp, vault]
