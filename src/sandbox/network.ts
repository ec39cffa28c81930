import type { BoxNetwork } from './types.ts'

/** What egress opened for a lane, and the origins that its server's rules name. */
export interface LaneDoors {
  readonly proxyUrl: string
  readonly endpointUrl: string | undefined
  readonly caFile: string
  readonly doors: BoxNetwork['doors']
}

export function networkOf({ proxyUrl, endpointUrl, caFile, doors }: LaneDoors, origins: Iterable<string>): BoxNetwork {
  const hosts = [...origins].flatMap((origin) => (URL.canParse(origin) ? new URL(origin).hostname : []))
  const ports = [proxyUrl, ...(endpointUrl === undefined ? [] : [endpointUrl])].map((url) => Number(new URL(url).port))
  return { doors, hosts: [...new Set(hosts)].filter((host) => /[a-z]/i.test(host) && !host.startsWith('[')), caFile, ports }
}
