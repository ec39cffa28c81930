import type { Socket } from 'node:net'
import { JitError } from '../core/errors.ts'

/** Who connected, as the kernel noted it when the connection was made. */
export interface Peer {
  /** 0 for a process that this PID namespace does not see, as one of another container. Its account counts all the same. */
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
      return { pid: view.getInt32(0, isLittleEndian), uid: view.getUint32(4, isLittleEndian), gid: view.getUint32(8, isLittleEndian) }
    }
  } catch {
    return undefined
  }
}

/**
 * The peer of a connection that is taken: a process of this account, or undefined where the platform does not tell (no `read`),
 * and then the mode of the socket's folder is all there is. The folder is closed to others; this holds when somebody opened it
 * or mounted it elsewhere. Throws `policy.denied` for another account, and where the kernel was asked and did not say.
 */
export function admitPeer(read: PeerReader | undefined, socket: Socket, uid: number | undefined = process.getuid?.()): Peer | undefined {
  if (read === undefined) return undefined
  const peer = read(socket)
  if (peer === undefined) throw new JitError('policy.denied', 'the kernel does not say who connected', { hint })
  if (peer.uid !== uid)
    throw new JitError('policy.denied', `user ${peer.uid} connected to the daemon of user ${uid ?? 'unknown'}`, { hint })
  return peer
}

const hint = 'Each account runs a daemon of its own.'
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined
}
