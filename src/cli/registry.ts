import { resolve } from 'node:path'
import { registryVariables } from '../api/schema.ts'

const files: ReadonlySet<string> = new Set(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'])

/** How this terminal reaches a registry: what gets npm and uv through here is to get them through for `jit add` as well. */
export function registryEnvironment(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of registryVariables) {
    const value = environment[name]
    if (value !== undefined && value !== '') found[name] = files.has(name) ? resolve(value) : value
  }
  return found
}
