import 'reflect-metadata'
import { createHash, webcrypto } from 'node:crypto'
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import * as x509 from '@peculiar/x509'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { nameConstraints } from './name-constraints.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const hour = 3_600_000
const day = 24 * hour
/** A child reads its authority once, when it starts: it must last as long as a lane may. */
const validity = 30 * day
/** New lanes get a new authority after this time. */
const renewal = day
const serverAuthentication = '1.3.6.1.5.5.7.3.1'

/** A certificate authority that children trust. Its key exists in this process's memory only. */
export interface Authority {
  /** PEM file of its certificate. */
  readonly caFile: string
  /** What a server for this host presents; made at the first use. */
  contextFor(host: string): Promise<SecureContext>
}

/**
 * One authority for each set of hosts, and it can sign for these hosts alone: what a child trusts is of no use for anything
 * that its server's rules do not name. Nothing survives the process; files of an earlier one are removed.
 */
export function createAuthorities(folder: string, clock: Clock): { get(hosts: ReadonlySet<string>): Promise<Authority>; close(): void } {
  removeOld(folder)
  const known = new Map<string, { made: number; authority: Promise<Authority> }>()
  return {
    get(hosts) {
      const names = [...hosts].sort()
      const key = names.join(' ')
      const found = known.get(key)
      if (found !== undefined && clock.now() - found.made < renewal) return found.authority
      const id = createHash('sha256').update(`${key} ${clock.now()}`).digest('hex').slice(0, 12)
      const authority = createAuthority(join(folder, `ca-${id}.pem`), names, clock)
      known.set(key, { made: clock.now(), authority })
      authority.catch(() => known.delete(key))
      return authority
    },
    close: () => removeOld(folder),
  }
}

async function createAuthority(caFile: string, hosts: readonly string[], clock: Clock): Promise<Authority> {
  const notBefore = new Date(clock.now() - hour)
  const notAfter = new Date(clock.now() + validity)
  const keys = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=jit local authority',
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.Extension('2.5.29.30', true, nameConstraints(hosts)),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  writeFileSync(`${caFile}.new`, `${certificate.toString('pem')}\n`, { mode: 0o644 })
  renameSync(`${caFile}.new`, caFile)
  // One key for all leaves of an authority: they live and die together.
  const leafKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const key = toPem(await webcrypto.subtle.exportKey('pkcs8', leafKeys.privateKey))
  const contexts = new LRUCache<string, Promise<SecureContext>>({ max: 256 })
  const makeContext = async (host: string): Promise<SecureContext> => {
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: 'CN=jit',
      issuer: certificate.subject,
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new x509.SubjectAlternativeNameExtension([{ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }], true),
        new x509.ExtendedKeyUsageExtension([serverAuthentication]),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      ],
    })
    return createSecureContext({ key, cert: leaf.toString('pem') })
  }
  return {
    caFile,
    contextFor(host) {
      const context = contexts.get(host) ?? makeContext(host)
      contexts.set(host, context)
      context.catch(() => contexts.delete(host))
      return context
    },
  }
}

function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) if (/^ca-[0-9a-f]{12}\.pem(\.new)?$/.test(name)) rmSync(join(folder, name), { force: true })
}

/** 16 bytes; the first one keeps it positive. */
function serial(): string {
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`
}

function toPem(pkcs8: ArrayBuffer): string {
  const lines = Buffer.from(pkcs8).toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`
}
