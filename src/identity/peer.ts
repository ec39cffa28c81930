import type { Socket } from 'node:net'

export interface Peer {
  readonly pid: number
  readonly uid: number
}

export type PeerReader = (socket: Socket) => Peer | undefined

/** SO_PEERCRED by way of koffi, which is optional; undefined where it is missing or the platform has no such thing. */
export async function openPeerReader(): Promise<PeerReader | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const { default: koffi } = await import('koffi')
    const getsockopt = koffi.load('libc.so.6').func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)')
    return (socket) => {
      const handle: unknown = Reflect.get(socket, '_handle')
      const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
      if (typeof descriptor !== 'number' || descriptor < 0) return undefined
      const credentials = Buffer.alloc(12)
      const solSocket = 1
      const soPeercred = 17
      if (getsockopt(descriptor, solSocket, soPeercred, credentials, [12]) !== 0) return undefined
      return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) }
    }
  } catch {
    return undefined
  }
}
