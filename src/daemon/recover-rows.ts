import { lastConfigDigest } from './config-digest.ts'
import { digestOfText, emptyConfig } from './config-file.ts'
import type { Paths } from '../config/types.ts'
import { JitError } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import type { Row } from '../store/database.ts'
import type { DamagedStore } from '../store/damaged.ts'
import { readLease } from '../store/leases.ts'
import { openSealer } from '../store/sealer.ts'
import { isOfAnotherKey, isSealing, sealingFromKeyFile, sealingKey } from '../store/sealing.ts'
import type { LeaseRow, Store } from '../store/store.ts'

/** What a recovered store has, and what it has not: one sentence each, for people. */
export interface Salvage {
  readonly secrets: number
  readonly leases: number
  readonly toRevoke: number
  readonly children: number
  readonly lost: readonly string[]
}

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const compactJwe = /^[\w-]+\.\.[\w-]+\.[\w-]*\.[\w-]+$/
const hour = 3_600_000
const longestLife = 366 * 24 * hour
const kept = /^(config\.appliedAt|audit\.checkpoint|audit\.key|pin\..+|package\..+)$/

/** Writes into the empty store `fresh` what can be used of `found`. Where damage could allow something, it is left out. */
export async function salvageRows(
  fresh: Store,
  found: DamagedStore,
  { state, auditFolder }: Pick<Paths, 'state' | 'auditFolder'>,
  now: number,
): Promise<Salvage> {
  const lost: string[] = []
  const { meta, secrets, leases, children, tokens } = found.tables
  for (const [name, table] of Object.entries(found.tables))
    if (!table.whole) lost.push(`the table ${name} is damaged: what is not listed here may be missing from it`)

  const texts = new Map(meta.rows.flatMap(({ key, value }) => (typeof key === 'string' && typeof value === 'string' ? [[key, value]] : [])))
  const sealed = new Map(
    secrets.rows.flatMap(({ name, sealed: value }) => (typeof name === 'string' && isSealed(value) ? [[name, value]] : [])),
  )
  const rows = [...new Map(leases.rows.flatMap((row) => mendLease(row, now) ?? []).map((row) => [row.id, row])).values()]

  const sealing = await findSealing(texts.get(sealingKey), sealed, rows, state)
  if (sealing === undefined && sealed.size > 0) lost.push(`where the key is: ${sealed.size} secrets cannot be opened any more`)
  const config = texts.get('config.applied')
  const proved = config !== undefined && meta.whole && digestOfText(config) === lastConfigDigest(auditFolder)
  if (!proved)
    lost.push('the config in force: no server is known until `jit config apply` shows the whole file as new and a person takes it')
  let childrenKept = 0
  fresh.atomically(() => {
    // Locked, whatever the damaged store says: one byte makes another word of it.
    fresh.meta.set('locked', 'yes')
    fresh.meta.set('config.applied', proved ? config : emptyConfig)
    for (const [key, value] of texts) if (kept.test(key) && isUsable(key, value)) fresh.meta.set(key, value)
    if (sealing !== undefined) {
      fresh.meta.set(sealingKey, sealing)
      for (const [name, value] of sealed) fresh.secrets.set(name, value)
    }
    for (const row of rows) fresh.leases.insert(row)
    for (const row of children.rows) {
      if (keepChild(fresh, row)) childrenKept += 1
      else lost.push(`a child process (pid ${String(row['pid'])}): look whether it runs still`)
    }
  })
  if (fresh.meta.get('audit.checkpoint') === undefined)
    lost.push('the trail’s last checkpoint: `jit audit verify` cannot tell whether records were cut off its end')
  if (texts.has('proposals')) lost.push('what agents had proposed')
  for (const name of await dropUnopened(fresh, state)) lost.push(`the secret ${name}: ${howToReplace(name)}`)
  for (const { id, state: was } of found.lostLeases)
    lost.push(`the lease ${id} (${was}): \`jit audit --json\` has what was minted; it lives until it expires`)
  const broken = leases.rows.length - rows.length
  if (broken > 0) lost.push(`${broken} leases without a readable id: \`jit audit --json\` has what was minted`)
  for (const row of tokens.rows) lost.push(`the client token ${JSON.stringify(row['name'])}: \`jit token add\` makes another`)
  const toRevoke = rows.filter((row) => row.state === 'revoking' || row.state === 'minting').length
  return { secrets: fresh.secrets.names().length, leases: rows.length, toRevoke, children: childrenKept, lost }
}

/**
 * A lease that may be alive is to be revoked, whatever its row says of its time; what ended stays as it was. Undefined for a row
 * that cannot stand for a credential any more.
 */
export function mendLease(row: Row, now: number): LeaseRow | undefined {
  const text = (name: string): string => (typeof row[name] === 'string' ? row[name] : '')
  const time = (name: string): number => {
    const value = row[name]
    return typeof value === 'number' && value >= 0 && value <= now + longestLife ? value : now
  }
  const id = text('id')
  if (!/^lease_\w{1,64}$/.test(id)) return undefined
  const read = readLease(row)
  const state = read?.state ?? 'revoking'
  const isOver = state === 'revoked' || state === 'expired' || state === 'failed'
  const times = { startedAt: time('startedAt'), mintedAt: time('mintedAt'), expiresAt: time('expiresAt'), validUntil: time('validUntil') }
  const whole: LeaseRow = {
    id,
    state,
    provider: text('provider'),
    server: text('server'),
    tool: text('tool'),
    session: text('session'),
    call: text('call'),
    scope: read?.scope ?? {},
    sealed: text('sealed'),
    fingerprint: text('fingerprint'),
    upstreamHash: text('upstreamHash'),
    ...times,
    attempts: 0,
    error: text('error'),
  }
  // A row that says it is over and has its credential still was not written by jit.
  if (isOver && whole.sealed === '') return whole
  return {
    ...whole,
    state: state === 'minting' || state === 'lost' ? state : 'revoking',
    validUntil: Math.max(times.validUntil, now + hour),
    error: 'the store was damaged and recovered',
  }
}

async function findSealing(
  said: string | undefined,
  sealed: ReadonlyMap<string, string>,
  leases: readonly LeaseRow[],
  state: string,
): Promise<string | undefined> {
  if (isSealing(said) && !(await isOfAnotherKey(said, state).catch(() => false))) return said
  const values = [...sealed, ...leases.map((row): [string, string] => [`lease/${row.id}`, row.sealed])].filter(([, value]) => value !== '')
  for (const [purpose, value] of values) {
    const made = await sealingFromKeyFile(state, value, purpose).catch(() => undefined)
    if (made !== undefined) return made
  }
  // Right, then, and the key file is another one; where nothing is sealed, that one is as good.
  return values.length > 0 && isSealing(said) ? said : undefined
}

/** Where the key is at hand, each secret is tried; one that does not open would only look as if it were there. */
async function dropUnopened(fresh: Store, state: string): Promise<string[]> {
  if (fresh.secrets.names().length === 0 || !fresh.meta.get(sealingKey)?.includes('"key":"file"')) return []
  const sealer = await openSealer({ store: fresh, stateFolder: state, keychain: undefined, log: silent }).catch(() => undefined)
  if (sealer === undefined) return []
  const dropped: string[] = []
  for (const name of fresh.secrets.names()) {
    const failure = await sealer.open(fresh.secrets.get(name) ?? '', name).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (!(failure instanceof JitError)) continue
    fresh.secrets.delete(name)
    dropped.push(name)
  }
  sealer.close()
  return dropped
}

function howToReplace(name: string): string {
  const [, provider] = /^provider\/([^/]+)\//.exec(name) ?? []
  if (provider !== undefined) return `\`jit login\` registers ${provider} again`
  return name === 'audit/signing-key'
    ? 'the trail is signed with a new key from here on, and `jit audit verify` says so'
    : 'it is made anew'
}

function keepChild(fresh: Store, { pid, startTime, processGroup, server, lane }: Row): boolean {
  const isChild = typeof pid === 'number' && pid > 1 && processGroup === pid && typeof startTime === 'number' && startTime > 0
  // Another process's group must not be killed for a damaged number.
  if (!isChild || typeof server !== 'string' || typeof lane !== 'string') return false
  fresh.children.add({ pid, startTime, processGroup: pid, server, lane })
  return true
}

function isSealed(value: unknown): value is string {
  return typeof value === 'string' && compactJwe.test(value)
}

function isUsable(key: string, value: string): boolean {
  if (key === 'config.appliedAt') return Number.isFinite(Number(value))
  if (!key.startsWith('audit.')) return true
  try {
    return typeof JSON.parse(value) === 'object'
  } catch {
    return false
  }
}
