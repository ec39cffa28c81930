/** One entry of `network.hosts`. */
export interface Dialled {
  /** `localhost:3000`, `[::1]:3000`: the name and port of an address. */
  readonly name: string
  /** Where it is dialled: `127.0.0.1:3000`. */
  readonly address: string
}

/**
 * The entry of `network.hosts` that an http(s) address of this machine needs; undefined for every other one. What a name stands for
 * is not looked up: only `localhost` and addresses say by themselves that they are this machine.
 */
export function localAddress(url: string): Dialled | undefined {
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return undefined
  const { hostname } = parsed
  const port = parsed.port === '' ? (parsed.protocol === 'https:' ? '443' : '80') : parsed.port
  if (hostname !== 'localhost' && hostname !== '[::1]' && !/^127(\.\d{1,3}){3}$/.test(hostname)) return undefined
  return { name: `${hostname}:${port}`, address: `${hostname === 'localhost' ? '127.0.0.1' : hostname}:${port}` }
}

/** As it stands in the config file. */
export function hostsLine({ name, address }: Dialled): string {
  return `network: { hosts: { ${JSON.stringify(name)}: ${JSON.stringify(address)} } }`
}
