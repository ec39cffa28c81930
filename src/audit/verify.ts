import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { calculateJwkThumbprint, compactVerify } from 'jose'
import { firstHash, segmentNames } from './segments.ts'

export interface VerifyReport {
  readonly ok: boolean
  readonly records: number
  readonly segments: number
  readonly checkpoints: number
  readonly head: string
  /** RFC 7638 thumbprint of the key that signed the checkpoints. */
  readonly key: string
  readonly problems: readonly { readonly file: string; readonly line: number; readonly message: string }[]
}

type Report = (file: string, line: number, message: string) => void

/** Proves a trail, or a copy of one, without a daemon: every byte of every line, the chain, and the signed checkpoints. */
export async function verifyFolder(folder: string): Promise<VerifyReport> {
  const problems: { file: string; line: number; message: string }[] = []
  const report: Report = (file, line, message) => {
    if (problems.length < 20) problems.push({ file: basename(file), line, message })
  }
  const names = segmentNames(folder)
  const key = await readKey(folder, report)
  const checkpoints = await readCheckpoints(folder, key?.key, report)
  const signed = checkpoints.size
  let prev = firstHash
  let seq = 0
  for (const [index, name] of names.entries()) {
    if (Number.parseInt(name, 10) !== index + 1) report(name, 0, `segment ${index + 1} is missing`)
    let line = 0
    for await (const bytes of lines(join(folder, name))) {
      line += 1
      if (!bytes.whole) {
        report(name, line, 'the last line is torn')
        continue
      }
      const found = check(bytes.text)
      seq += 1
      if (found === undefined) report(name, line, 'the bytes of this record are not those that its hash was made of')
      else if (found.seq !== seq) report(name, line, `record ${found.seq} stands where ${seq} belongs`)
      else if (found.prev !== prev) report(name, line, 'the record before this one was changed or removed')
      prev = found?.hash ?? prev
      seq = found?.seq ?? seq
      const anchored = checkpoints.get(seq)
      if (anchored !== undefined && anchored !== prev)
        report(name, line, 'a signed checkpoint names another record here: the trail was rewritten')
      checkpoints.delete(seq)
    }
  }
  for (const missing of checkpoints.keys()) {
    report('checkpoints.jsonl', 0, `record ${missing} was signed and is not in the trail: it was cut`)
    break
  }
  return {
    ok: problems.length === 0,
    records: seq,
    segments: names.length,
    checkpoints: signed,
    head: prev,
    key: key?.thumbprint ?? '',
    problems,
  }

  async function readKey(from: string, tell: Report): Promise<{ key: KeyObject; thumbprint: string } | undefined> {
    const file = join(from, 'key.json')
    if (!existsSync(file)) return undefined
    try {
      const jwk: { kty: string; crv: string; x: string } = JSON.parse(readFileSync(file, 'utf8'))
      return { key: createPublicKey({ key: jwk, format: 'jwk' }), thumbprint: await calculateJwkThumbprint(jwk) }
    } catch {
      tell('key.json', 1, 'not a public key')
      return undefined
    }
  }
}

async function readCheckpoints(folder: string, key: KeyObject | undefined, report: Report): Promise<Map<number, string>> {
  const file = join(folder, 'checkpoints.jsonl')
  const found = new Map<number, string>()
  if (!existsSync(file)) return found
  if (key === undefined) {
    report(file, 0, 'there are checkpoints but no public key (key.json)')
    return found
  }
  let line = 0
  for (const text of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    line += 1
    try {
      const { payload } = await compactVerify(text, key, { algorithms: ['EdDSA'] })
      const { seq, hash }: { seq: number; hash: string } = JSON.parse(Buffer.from(payload).toString('utf8'))
      found.set(seq, hash)
    } catch {
      report(file, line, 'the signature of this checkpoint does not hold')
    }
  }
  return found
}

/** Undefined when the line is not exactly what the log writes. */
function check(text: string): { seq: number; prev: string; hash: string } | undefined {
  const match = /^(\{"seq":(\d+),"time":"[^"]*","prev":"([0-9a-f]{64})",.*),"hash":"([0-9a-f]{64})"\}$/s.exec(text)
  if (match === null) return undefined
  const [, body = '', seq = '', prev = '', hash = ''] = match
  return createHash('sha256').update(body).digest('hex') === hash ? { seq: Number(seq), prev, hash } : undefined
}

/** Lines split at LF only, so that every other byte counts. */
async function* lines(file: string): AsyncIterable<{ text: string; whole: boolean }> {
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(file)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const text = rest.subarray(0, end)
      yield { text: decode(text), whole: true }
      rest = rest.subarray(end + 1)
    }
  }
  if (rest.length > 0) yield { text: decode(rest), whole: false }
}

/** Bytes that are not UTF-8 must not turn into ones that hash alike. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return '\u0000'
  }
}
