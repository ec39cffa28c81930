import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Change } from '../config/diff-parts.ts'
import { diffConfig } from '../config/diff.ts'
import { type ConfigEdit, editConfig } from '../config/edit.ts'
import { type ConfigCheck, loadConfig } from '../config/load.ts'
import type { ConfigProblem, LoadedConfig } from '../config/types.ts'
import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError } from '../core/errors.ts'
import { compilePolicy } from '../policy/compile.ts'
import type { CompiledPolicy, ProviderFacts } from '../policy/types.ts'
import type { Store } from '../store/store.ts'

export interface Applied {
  readonly loaded: LoadedConfig
  readonly policy: CompiledPolicy
}

export interface Configuration {
  readonly current: Applied
  readonly appliedAt: number
  /** The file on disk is another than the one in force. */
  readonly pending: boolean
  /** What is wrong with the file on disk, if it is pending. */
  problems(): readonly ConfigProblem[]
  /** What applying the file would change; throws `config.invalid`. */
  preview(): { digest: string; changes: Change[] }
  /** Lets the file take effect. With `digest`, only if the file is still that one. */
  apply(by: string, digest?: string): { digest: string; changes: Change[] }
  /** One edit by a command, on top of what is in force. Throws `config.not-applied` when the file has other changes. */
  edit(change: ConfigEdit, by: string): void
}

export interface ConfigurationDeps {
  readonly file: string
  readonly store: Store
  readonly check: ConfigCheck
  readonly audit: () => AuditSink
  readonly clock: Clock
  facts(loaded: LoadedConfig): ReadonlyMap<string, ProviderFacts>
  onApplied(applied: Applied): void
}

const empty = 'version: 1\n'

/** The config in force is the copy in the store; the file on disk is a proposal until it is applied. */
export function openConfiguration(deps: ConfigurationDeps): Configuration {
  const compile = (text: string): Applied => {
    const loaded = loadConfig(deps.file, text, deps.check)
    return { loaded, policy: compilePolicy(loaded, deps.facts(loaded), deps.check.presets) }
  }
  const read = (): string => readText(deps.file) ?? empty
  const stored = deps.store.meta.get('config.applied')
  let current = compile(stored ?? read())
  let appliedAt = Number(deps.store.meta.get('config.appliedAt') ?? deps.clock.now())
  if (stored === undefined) remember(current.loaded.text)

  function remember(text: string): void {
    appliedAt = deps.clock.now()
    deps.store.meta.set('config.applied', text)
    deps.store.meta.set('config.appliedAt', String(appliedAt))
  }
  const take = (next: Applied, by: string, changes: Change[]): void => {
    deps.audit().append({
      type: 'config.applied',
      by,
      detail: { digest: next.loaded.digest, before: current.loaded.digest, changes: changes.map((change) => ({ ...change })) },
    })
    remember(next.loaded.text)
    current = next
    deps.onApplied(next)
  }
  const isPending = (): boolean => digestOfText(read()) !== current.loaded.digest
  return {
    get current() {
      return current
    },
    get appliedAt() {
      return appliedAt
    },
    get pending() {
      return isPending()
    },
    problems() {
      if (!isPending()) return []
      try {
        compile(read())
        return []
      } catch (error) {
        return problemsOf(error)
      }
    },
    preview() {
      const next = compile(read())
      return { digest: next.loaded.digest, changes: diffConfig(current.loaded.config, next.loaded.config) }
    },
    apply(by, digest) {
      const next = compile(read())
      if (digest !== undefined && digest !== next.loaded.digest)
        throw new JitError('conflict', 'the config file changed since it was shown', { hint: 'Run `jit config apply` again.' })
      const changes = diffConfig(current.loaded.config, next.loaded.config)
      if (next.loaded.digest !== current.loaded.digest) take(next, by, changes)
      return { digest: next.loaded.digest, changes }
    },
    edit(change, by) {
      if (isPending()) throw new JitError('config.not-applied', `${deps.file} has changes that are not applied`)
      const next = compile(editConfig(current.loaded.text, change))
      const changes = diffConfig(current.loaded.config, next.loaded.config)
      writeText(deps.file, next.loaded.text)
      take(next, by, changes)
    },
  }
}

export function problemsOf(error: unknown): readonly ConfigProblem[] {
  if (!(error instanceof JitError) || error.code !== 'config.invalid') throw error
  const { problems } = error.details
  return Array.isArray(problems) ? problems : []
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new JitError('config.invalid', `${file} cannot be read`, { cause: error })
  }
}

/** Whole or not at all: a temporary file beside it, synced, then renamed. */
function writeText(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.new`
  const descriptor = openSync(temporary, 'w', 0o600)
  writeSync(descriptor, text)
  fsyncSync(descriptor)
  closeSync(descriptor)
  renameSync(temporary, file)
}

function digestOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
