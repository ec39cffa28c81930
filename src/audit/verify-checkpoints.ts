import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint, compactVerify, type CryptoKey, importJWK } from 'jose'
import { isRegular, readRegular } from '../core/regular-file.ts'
import { checkpointFile, checkpointPayload, checkpointType, keyFile, keyText, type PublicJwk, publicJwk } from './checkpoint.ts'
import { linesForward } from './lines.ts'

type Report = (file: string, line: number, message: string) => void

export interface SignedCheckpoints {
  readonly checkpoints: readonly { readonly seq: number; readonly hash: string; readonly line: number }[]
  /** Of the key they were checked with; empty when there is none. */
  readonly thumbprint: string
}

/** Exactly what `appendCheckpoint` writes. */
const line = /^\{"jws":"([\w-]+\.[\w-]+\.[\w-]+)"\}$/

/** Checks `key.json` against `expected` (when given) and every line of `checkpoints.jsonl` against the key. */
export async function readCheckpoints(folder: string, expected: PublicJwk | undefined, report: Report): Promise<SignedCheckpoints> {
  const beside = await readKey(folder, report)
  const jwk = expected ?? beside
  const file = join(folder, checkpointFile)
  const exists = lstatSync(file, { throwIfNoEntry: false }) !== undefined
  if (jwk === undefined) {
    if (exists) report(checkpointFile, 0, `there are checkpoints but no public key (${keyFile})`)
    return { checkpoints: [], thumbprint: '' }
  }
  if (expected !== undefined && exists) {
    if (beside === undefined) report(keyFile, 0, 'the public key is missing')
    else if (beside.x !== expected.x) report(keyFile, 1, 'this is not the key that the store signs with')
  }
  const thumbprint = await calculateJwkThumbprint(jwk)
  if (exists && !isRegular(file, { ofAnyone: true })) {
    report(checkpointFile, 0, 'this is not a regular file')
    return { checkpoints: [], thumbprint }
  }
  const checkpoints = exists ? await readSigned(file, await importPublic(jwk), thumbprint, report) : []
  return { checkpoints, thumbprint }
}

async function readSigned(
  file: string,
  key: CryptoKey,
  thumbprint: string,
  report: Report,
): Promise<SignedCheckpoints['checkpoints'][number][]> {
  const found: { seq: number; hash: string; line: number }[] = []
  let number = 0
  for await (const lines of linesForward(file)) {
    for (const { bytes, whole } of lines) {
      number += 1
      const checkpoint = whole ? await readOne(bytes.toString('latin1'), key, thumbprint) : 'the last line is torn'
      if (typeof checkpoint === 'string') report(checkpointFile, number, checkpoint)
      else {
        if (checkpoint.seq <= (found.at(-1)?.seq ?? 0))
          report(checkpointFile, number, `the checkpoint of record ${checkpoint.seq} stands out of order`)
        found.push({ seq: checkpoint.seq, hash: checkpoint.hash, line: number })
      }
    }
  }
  return found
}

/** The checkpoint of one line, or what is wrong with it. */
async function readOne(text: string, key: CryptoKey, thumbprint: string): Promise<{ seq: number; hash: string } | string> {
  const jws = line.exec(text)?.[1]
  if (jws === undefined || !jws.split('.').every(isCanonical)) return 'this line is not a checkpoint'
  try {
    const { payload, protectedHeader } = await compactVerify(jws, key, { algorithms: ['EdDSA'] })
    if (protectedHeader.typ !== checkpointType || protectedHeader.kid !== thumbprint)
      return 'this checkpoint is signed by another key, or for another use'
    return checkpointPayload.parse(JSON.parse(Buffer.from(payload).toString('utf8')))
  } catch {
    return 'the signature of this checkpoint does not hold'
  }
}

/** Base64url has spare bits at its end; a changed one would decode alike. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

async function readKey(folder: string, report: Report): Promise<PublicJwk | undefined> {
  const file = join(folder, keyFile)
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return undefined
  try {
    const text = readRegular(file, { ofAnyone: true }).toString('utf8')
    const jwk = publicJwk.parse(JSON.parse(text))
    if (text === (await keyText(jwk))) return jwk
  } catch {
    // Said below.
  }
  report(keyFile, 1, 'this is not a public key as jit writes it')
  return undefined
}

async function importPublic({ kty, crv, x }: PublicJwk): Promise<CryptoKey> {
  const key = await importJWK({ kty, crv, x }, 'EdDSA')
  if (key instanceof Uint8Array) throw new TypeError('a symmetric key')
  return key
}
