import type { Socket } from 'node:net'
import { JitError } from '../core/errors.ts'

/** Who connected, as the kernel noted it when the connection was made. */
export interface Peer {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

export type PeerReader = (socket: Socket) => Peer | undefined

const solSocket = 1
const soPeercred = 17
/** `struct ucred`: three 32-bit integers in the machine's byte order. */
const credentialBytes = 12

/**
 * SO_PEERCRED by way of koffi, which is an optional dependency; undefined where it is missing or the platform has no such
 * thing. Node has no documented way to a socket's descriptor: `_handle.fd` is what there is, the same since Node 10.
 */
export async function openPeerReader(): Promise<PeerReader | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const { default: koffi } = await import('koffi')
    // The C library that Node itself is linked with: glibc and musl name theirs differently.
    const getsockopt = koffi.load(null).func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)')
    return (socket) => {
      const descriptor = descriptorOf(socket)
      if (descriptor === undefined) return undefined
      const credentials = Buffer.alloc(credentialBytes)
      const size = [credentialBytes]
      if (getsockopt(descriptor, solSocket, soPeercred, credentials, size) !== 0 || size[0] !== credentialBytes) return undefined
      const view = new DataView(credentials.buffer, credentials.byteOffset, credentialBytes)
      const peer = { pid: view.getInt32(0, isLittleEndian), uid: view.getUint32(4, isLittleEndian), gid: view.getUint32(8, isLittleEndian) }
      // A peer of another PID namespace that this one cannot see has pid 0.
      return peer.pid > 0 ? peer : undefined
    }
  } catch {
    return undefined
  }
}

/**
 * Refuses another account's process: the folder of the sockets is closed to others, and this holds when somebody opened it.
 * Without a peer (no koffi) the folder's mode is all there is. Throws `policy.denied`.
 */
export function checkPeer(peer: Pick<Peer, 'uid'> | undefined, uid: number | undefined = process.getuid?.()): void {
  if (peer === undefined || peer.uid === uid) return
  throw new JitError('policy.denied', `user ${peer.uid} connected to the daemon of user ${uid ?? 'unknown'}`, {
    hint: 'Each account runs a daemon of its own.',
  })
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined
}
