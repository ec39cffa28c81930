import { isIP } from 'node:net'
import { JitError, quote } from '../core/errors.ts'

/** Where `network.hosts` sends a name; the port is the asked one when the entry names none. */
export interface HostEntry {
  readonly address: string
  readonly port: number | undefined
}

export interface Hosts {
  /** The entry for `name:port`, else for `name`. */
  find(name: string, port: number): HostEntry | undefined
}

/** Reads `network.hosts`: `name` or `name:port` → `address[:port]`, IPv6 in brackets. Throws JitError `config.invalid`. */
export function readHosts(entries: Readonly<Record<string, string>>): Hosts {
  const known = new Map<string, HostEntry>()
  for (const [name, target] of Object.entries(entries)) known.set(name.toLowerCase(), readTarget(name, target))
  return {
    find: (name, port) => {
      const lower = name.toLowerCase()
      const bracketed = isIP(lower) === 6 ? `[${lower}]` : lower
      return known.get(`${bracketed}:${port}`) ?? known.get(bracketed) ?? known.get(lower)
    },
  }
}

function readTarget(name: string, target: string): HostEntry {
  if (isIP(target) !== 0) return { address: target, port: undefined }
  const [, six, four, digits] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(target) ?? []
  const address = six ?? four ?? ''
  const port = digits === undefined ? undefined : Number(digits)
  if (isIP(address) === 0 || (port !== undefined && (port < 1 || port > 65_535))) {
    throw new JitError('config.invalid', `network.hosts: ${quote(name)} → ${quote(target)} is no address or address:port`, {
      hint: 'Write an IP address, with a port where it differs: `api.github.com: "127.0.0.1:8443"`.',
    })
  }
  return { address, port }
}
