import { createHash, X509Certificate } from 'node:crypto'

/** Opens the store; every JVM knows it. */
export const truststorePassword = 'changeit'

/**
 * A truststore for JVMs, which read no PEM file, with one certificate. Format "JKS" as `java.security.KeyStore` reads it: a
 * header, one trusted certificate, and a SHA-1 over password, a fixed phrase and all before it.
 */
export function javaTruststore(pem: string, now: number): Buffer {
  const der = new X509Certificate(pem).raw
  const store = Buffer.concat([
    ...[0xfeedfeed, 2, 1, 2].map(number32),
    text('jit'),
    number64(now),
    text('X.509'),
    number32(der.length),
    der,
  ])
  const digest = createHash('sha1')
    .update(Buffer.from(truststorePassword, 'utf16le').swap16())
    .update('Mighty Aphrodite')
    .update(store)
    .digest()
  return Buffer.concat([store, digest])
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function number64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(Math.trunc(value)))
  return bytes
}

function text(value: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(value.length)
  return Buffer.concat([length, Buffer.from(value, 'latin1')])
}
