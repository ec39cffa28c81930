import type { Lease } from '../../broker/types.ts'
import type { Injection } from '../../config/schema.ts'
import type { LaneNetwork } from '../../egress/types.ts'
import type { StandIn } from '../types.ts'

/** The variables that a lane's child gets for its way to the upstream, by injection mode. */
export function injectedEnvironment(
  inject: Injection,
  { placeholder }: Pick<StandIn, 'placeholder'>,
  network: LaneNetwork | undefined,
  lease: Lease | undefined,
): Record<string, string> {
  if (inject.mode === 'env') return templated(inject, lease, placeholder)
  if (inject.mode === 'credentials' || network === undefined) return {}
  const named = typeof inject.env === 'string' ? [inject.env] : Object.keys(inject.env ?? {})
  const held = Object.fromEntries(named.map((name) => [name, placeholder]))
  if (inject.mode === 'endpoint') {
    const endpoint = network.endpointUrl ?? ''
    return {
      ...held,
      ...Object.fromEntries(
        Object.entries(inject.url ?? {}).map(([name, template]) => [name, template.replaceAll('${endpoint}', endpoint)]),
      ),
    }
  }
  return { ...held, ...proxyEnvironment(network) }
}

/** What the clients of each language read; `facts` of which stand in docs/concepts.md. */
function proxyEnvironment({ proxyUrl, caFile }: LaneNetwork): Record<string, string> {
  const environment: Record<string, string> = { NODE_USE_ENV_PROXY: '1', NO_PROXY: '', no_proxy: '' }
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']) environment[name] = proxyUrl
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO', 'AWS_CA_BUNDLE'])
    environment[name] = caFile
  return environment
}

/** Mode env: the real short-lived credential, for a child started for this lease; the handshake's child holds a placeholder. */
function templated(inject: Injection, lease: Lease | undefined, placeholder: string): Record<string, string> {
  const templates = typeof inject.env === 'string' ? { [inject.env]: '${token}' } : (inject.env ?? {})
  return Object.fromEntries(
    Object.entries(templates).map(([name, template]) => [
      name,
      template.replace(/\$\{([a-zA-Z_]+)\}/g, (_, part: string) =>
        lease === undefined ? placeholder : (lease.secrets[part]?.reveal() ?? ''),
      ),
    ]),
  )
}
