import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type CheckpointSigner, openSigner } from '../../../src/audit/checkpoint.ts'
import type { AuditMeta } from '../../../src/audit/checkpoints.ts'
import type { AuditEvent, AuditRecord } from '../../../src/audit/event.ts'
import { type AuditLog, type AuditOptions, openAudit } from '../../../src/audit/log.ts'
import { segmentFile, segmentNumbers } from '../../../src/audit/segments.ts'
import type { Clock } from '../../../src/core/clock.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { Secret } from '../../../src/core/secret.ts'
import type { Logger } from '../../../src/core/types.ts'

/** A clock that stands still until it is told to go. */
export class TestClock implements Clock {
  time = Date.UTC(2026, 10, 21, 12)
  readonly #timers = new Set<{ at: number; callback: () => void }>()

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }

  after(delay: number, callback: () => void): () => void {
    const timer = { at: this.time + delay, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  advance(by: number): void {
    this.time += by
    for (const timer of this.#timers) {
      if (timer.at > this.time) continue
      this.#timers.delete(timer)
      timer.callback()
    }
  }
}

export class TestLog implements Logger {
  readonly lines: string[] = []
  debug(message: string): void {
    this.lines.push(message)
  }
  info(message: string): void {
    this.lines.push(message)
  }
  warn(message: string): void {
    this.lines.push(message)
  }
  error(message: string): void {
    this.lines.push(message)
  }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jit-audit-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Closed with the test at the latest. */
export function openTestLog(folder: string, options: Partial<AuditOptions> = {}): AuditLog {
  const log = openLog(folder, options)
  onTestFinished(() => log.close())
  return log
}

/** To be closed by the caller. */
export function openLog(folder: string, options: Partial<AuditOptions>): AuditLog {
  return openAudit({ folder, sync: 'batch', segmentBytes: 1 << 20, clock: new TestClock(), log: new TestLog(), ...options })
}

export function event(server = 'github', detail: JsonObject = {}): AuditEvent {
  return { type: 'server.started', server, detail }
}

export function mapMeta(): AuditMeta & { readonly values: Map<string, string> } {
  const values = new Map<string, string>()
  return { values, get: (key) => values.get(key), set: (key, value) => void values.set(key, value) }
}

export function testSigner(): Promise<CheckpointSigner> {
  let kept: Secret | undefined
  return openSigner({
    get: async () => kept,
    set: async (secret) => {
      kept = secret
    },
  })
}

/** A closed trail of `records` records in one or more segments, with checkpoints. */
export async function makeTrail(folder: string, records: number, options: Partial<AuditOptions> = {}): Promise<void> {
  const log = openLog(folder, options)
  log.setSigner(await testSigner())
  for (let index = 0; index < records; index++) log.append(event('github', { index }))
  await log.close()
}

export function textOf(folder: string): string {
  return segmentNumbers(folder)
    .map((number) => readFileSync(segmentFile(folder, number), 'utf8'))
    .join('')
}

export async function all(records: AsyncIterable<AuditRecord>): Promise<AuditRecord[]> {
  const found: AuditRecord[] = []
  for await (const record of records) found.push(record)
  return found
}
