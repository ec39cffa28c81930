import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { LRUCache } from 'lru-cache'
import * as x509 from '@peculiar/x509'
import type { Clock } from '../core/clock.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const validity = 30 * 86_400_000

/** The local certificate authority: its key lives in this object only. */
export interface Authority {
  /** PEM file that children trust. */
  readonly caFile: string
  contextFor(host: string): Promise<SecureContext>
}

export async function createAuthority(folder: string, clock: Clock): Promise<Authority> {
  const notBefore = new Date(clock.now() - 3_600_000)
  const notAfter = new Date(clock.now() + validity)
  const authorityKeys = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=jit local authority',
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    keys: authorityKeys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  })
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, certificate.toString('pem'), { mode: 0o644 })
  // One key for all leaves: they live and die together.
  const leafKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const leafKey = toPem(await webcrypto.subtle.exportKey('pkcs8', leafKeys.privateKey))
  const contexts = new LRUCache<string, Promise<SecureContext>>({ max: 256 })
  const make = async (host: string): Promise<SecureContext> => {
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: 'CN=jit',
      issuer: certificate.subject,
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      publicKey: leafKeys.publicKey,
      signingKey: authorityKeys.privateKey,
      extensions: [
        new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
        new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ],
    })
    return createSecureContext({ key: leafKey, cert: leaf.toString('pem') })
  }
  return {
    caFile,
    contextFor(host) {
      const known = contexts.get(host) ?? make(host)
      contexts.set(host, known)
      return known
    },
  }
}

function serial(): string {
  return `00${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`
}

function toPem(pkcs8: ArrayBuffer): string {
  return `-----BEGIN PRIVATE KEY-----\n${Buffer.from(pkcs8).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
}
