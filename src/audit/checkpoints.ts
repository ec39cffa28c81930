import { z } from 'zod'
import { OddFile } from '../core/regular-file.ts'
import {
  appendCheckpoint,
  type Checkpoint,
  type CheckpointSigner,
  keepKey,
  mendCheckpoints,
  type PublicJwk,
  publicJwk,
  signCheckpoint,
} from './checkpoint.ts'
import type { AuditPosition } from './event.ts'

/** The part of the store's meta table that the trail uses. */
export interface AuditMeta {
  get(key: string): string | undefined
  set(key: string, value: string): void
}

const position = z.object({ seq: z.int().min(1), hash: z.string() })
const positionKey = 'audit.checkpoint'
const publicKeyKey = 'audit.key'

/** Signs the head into `checkpoints.jsonl` and keeps the last signed position, and the public key, in the store too. */
export class Checkpoints {
  readonly #folder: string
  readonly #meta: AuditMeta | undefined
  signer: CheckpointSigner | undefined
  #signed = 0

  constructor(folder: string, meta: AuditMeta | undefined) {
    this.#folder = folder
    this.#meta = meta
    this.#signed = this.remembered()[0]?.seq ?? 0
    try {
      mendCheckpoints(folder)
    } catch {
      // A disk that refuses now: the next checkpoint mends the file before it writes.
    }
  }

  /** The last signed position as the store knows it: none or one. */
  remembered(): AuditPosition[] {
    const text = this.#meta?.get(positionKey)
    return text === undefined ? [] : [position.parse(JSON.parse(text))]
  }

  /** The key that checkpoints must be signed with; undefined when nothing was ever signed here. */
  publicKey(): PublicJwk | undefined {
    const text = this.#meta?.get(publicKeyKey)
    return text === undefined ? this.signer?.publicJwk : publicJwk.parse(JSON.parse(text))
  }

  /** Does nothing without a signer or without news. Returns what is wrong with the key beside the trail. Throws what the disk says. */
  async sign(checkpoint: Checkpoint): Promise<string | undefined> {
    const { signer } = this
    if (signer === undefined || checkpoint.seq <= this.#signed) return undefined
    const problem = await keepKey(this.#folder, signer.publicJwk)
    const key = JSON.stringify(signer.publicJwk)
    if (this.#meta?.get(publicKeyKey) !== key) this.#meta?.set(publicKeyKey, key)
    try {
      await appendCheckpoint(this.#folder, await signCheckpoint(checkpoint, signer))
    } catch (error) {
      if (error instanceof OddFile) return `${error.message}: the trail is not signed`
      throw error
    }
    this.#signed = checkpoint.seq
    this.#meta?.set(positionKey, JSON.stringify({ seq: checkpoint.seq, hash: checkpoint.hash }))
    return problem
  }
}
