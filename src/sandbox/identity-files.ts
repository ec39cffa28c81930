import type { BoxNetwork } from './types.ts'

export interface Account {
  readonly uid: number
  readonly gid: number
  readonly name: string
  readonly home: string
}

/** Files of /etc that say who one is: one account, the server's own. */
export function accountFiles({ uid, gid, name, home }: Account): Record<string, string> {
  const plain = (text: string): string => text.replace(/[:\n\r]/g, '_')
  return {
    passwd: `${plain(name)}:x:${uid}:${gid}::${plain(home)}:/bin/sh\n`,
    group: `${plain(name)}:x:${gid}:\n`,
  }
}

/** Files of /etc that say where names lead: to the doors, or nowhere at all. */
export function nameFiles({ hosts }: Pick<BoxNetwork, 'hosts'>): Record<string, string> {
  const names = hosts.filter((host) => /^[a-z0-9.-]+$/i.test(host))
  return {
    hosts: ['127.0.0.1 localhost', '::1 localhost', ...names.map((host) => `127.0.0.1 ${host}`), ''].join('\n'),
    'resolv.conf': '',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  }
}
