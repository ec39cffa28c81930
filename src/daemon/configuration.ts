import type { AuditEvent, AuditSink } from '../audit/event.ts'
import { firstItems } from '../audit/first-items.ts'
import type { Change } from '../config/diff-parts.ts'
import { diffConfig } from '../config/diff.ts'
import { type ConfigEdit, editConfig } from '../config/edit.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigProblem, LoadedConfig, PresetSource } from '../config/types.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, toJitError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Logger } from '../core/types.ts'
import { addedCondition } from '../policy/added-condition.ts'
import type { CompiledPolicy } from '../policy/types.ts'
import type { Store } from '../store/store.ts'
import type { Build, FreshSecrets } from './builder.ts'
import { digestOfText, emptyConfig, prepareFile, readText } from './config-file.ts'
import { denyAll } from './deny-all.ts'
import type { Replacement } from './replace-file.ts'
import { salvageText } from './salvage.ts'

export interface Applied {
  readonly loaded: LoadedConfig
  readonly policy: CompiledPolicy
}

export interface Configuration {
  readonly current: Applied
  readonly appliedAt: number
  /** Why the config in force cannot be used, where that is so: then every call is denied with it. */
  readonly broken: JitError | undefined
  /** The file on disk is another than the one in force. */
  readonly pending: boolean
  /** What is wrong with the file on disk, or with what is in force. */
  problems(): readonly ConfigProblem[]
  /** What applying the file would change; throws `config.invalid`. */
  preview(): { digest: string; changes: Change[]; loaded: LoadedConfig }
  /** Lets the file take effect. With `digest`, only if the file is still that one. Throws `config.invalid`; then nothing changed. */
  apply(by: string, digest?: string): { digest: string; changes: Change[] }
  /** The config as it would be after an edit. Throws like `edit`. */
  draft(change: ConfigEdit): Config
  /** What an edit would change, with all that runs by it tried out. Throws like `edit`; nothing changes. */
  previewEdit(change: ConfigEdit): { digest: string; changes: Change[] }
  /**
   * One edit by a command, on top of what is in force: file, store and running parts change together or not at all.
   * Throws `config.not-applied` when the file has other changes, `config.invalid`, `store.unavailable`, `audit.unwritable`.
   */
  edit(change: ConfigEdit, by: string, together?: Together): { digest: string; changes: Change[] }
  /** Tries a broken config once more: what it lacked (the store's key, a file) may be there by now. */
  retry(): void
}

/** What changes with an edit, in one step with it. */
export interface Together {
  /** Of the file as it was shown: another throws `conflict`. */
  readonly digest?: string
  /** Secrets of a provider that is registered with it. */
  readonly fresh?: FreshSecrets
  /** Writes to the store within the edit's transaction. */
  readonly write?: () => void
  /** Stand in the trail behind `config.applied`. */
  readonly records?: readonly AuditEvent[]
}

export interface ConfigurationDeps {
  readonly file: string
  readonly store: Pick<Store, 'meta' | 'atomically'>
  readonly audit: Pick<AuditSink, 'append'>
  readonly clock: Clock
  readonly log: Logger
  readonly presets: PresetSource
  /** Parses and checks a text. Throws `config.invalid`. */
  load(text: string): LoadedConfig
  /** Builds all that runs by a config. Throws `config.invalid`. With `unreachable`, nothing is reached upstream, for this reason. */
  build(loaded: LoadedConfig, options?: { readonly fresh?: FreshSecrets; readonly unreachable?: JitError }): Build
}

/**
 * The config in force is the copy in the store; the file on disk is a proposal until it is applied. One that cannot be used
 * any more (written by another version, a file it names is gone) does not keep the daemon from starting: every call is
 * denied with the reason, while what can be used of it serves to revoke.
 */
export function openConfiguration(deps: ConfigurationDeps): Configuration {
  const stored = deps.store.meta.get('config.applied')
  let appliedAt = Number(deps.store.meta.get('config.appliedAt') ?? deps.clock.now())
  let broken: JitError | undefined
  let current = start()

  function start(): Applied {
    let text = stored ?? emptyConfig
    try {
      text = stored ?? readText(deps.file)
      const applied = enter(build(text))
      if (stored === undefined) rememberIfPossible(text)
      return applied
    } catch (error) {
      broken = asConfigError(error)
      deps.log.error('config in force is broken', { error: broken.message })
      return enterBroken(text, broken)
    }
  }

  function build(text: string, fresh?: FreshSecrets): { loaded: LoadedConfig; parts: Build } {
    const loaded = deps.load(text)
    return { loaded, parts: deps.build(loaded, fresh === undefined ? {} : { fresh }) }
  }

  function enter({ loaded, parts }: { loaded: LoadedConfig; parts: Build }): Applied {
    parts.enter()
    return { loaded, policy: parts.policy }
  }

  function enterBroken(text: string, reason: JitError): Applied {
    const { loaded, reachable } = salvageText(text, (candidate) => {
      const { loaded: tried, parts } = build(candidate)
      parts.discard()
      return tried
    })
    const parts = deps.build(loaded, reachable ? {} : { unreachable: reason })
    parts.enter()
    return { loaded: { ...loaded, text, digest: digestOfText(text) }, policy: denyAll(digestOfText(text), reason) }
  }

  function remember(text: string): void {
    const now = deps.clock.now()
    deps.store.meta.set('config.applied', text)
    deps.store.meta.set('config.appliedAt', String(now))
    appliedAt = now
  }

  /** A full disk is no reason not to start: the next start reads the file again. */
  function rememberIfPossible(text: string): void {
    try {
      deps.store.atomically(() => remember(text))
    } catch (error) {
      deps.log.error('config not stored', { error: String(error) })
    }
  }

  function take(next: { loaded: LoadedConfig; parts: Build }, by: string, changes: Change[], how: Together & { rewrite?: boolean }): void {
    let file: Replacement | undefined
    const { named, leftOut } = firstItems(changes, ({ effect }) => effect === 'wider')
    const detail = {
      digest: next.loaded.digest,
      before: current.loaded.digest,
      changes: named.map((change) => ({ ...change })),
      ...(leftOut === 0 ? {} : { changesLeftOut: leftOut }),
    }
    let recorded = false
    try {
      file = how.rewrite === true ? prepareFile(deps.file, next.loaded.text) : undefined
      deps.store.atomically(() => {
        how.write?.()
        remember(next.loaded.text)
        deps.audit.append({ type: 'config.applied', by, detail })
        recorded = true
        for (const event of how.records ?? []) deps.audit.append(event)
        file?.swap()
      })
    } catch (error) {
      undo(file)
      next.parts.discard()
      if (recorded) recordFailure(by, detail, error)
      throw error
    }
    file?.done()
    broken = undefined
    current = enter(next)
  }

  function undo(file: Replacement | undefined): void {
    try {
      file?.undo()
    } catch (error) {
      deps.log.error('config file not put back', { file: deps.file, error: String(error) })
    }
  }

  /** The trail said that it would happen; it did not. */
  function recordFailure(by: string, { digest, before }: JsonObject, error: unknown): void {
    try {
      deps.audit.append({
        type: 'config.applied',
        by,
        detail: { digest: before ?? '', before: digest ?? '', changes: [], undone: toJitError(error).message },
      })
    } catch (failure) {
      deps.log.error('undone change not recorded', { error: String(failure) })
    }
  }

  const changesTo = (next: LoadedConfig): Change[] =>
    diffConfig(broken === undefined ? current.loaded.config : undefined, next.config, { presets: deps.presets, addedCondition })
  const isPending = (): boolean => {
    try {
      return digestOfText(readText(deps.file)) !== current.loaded.digest
    } catch {
      return true
    }
  }
  const requireEditable = (): void => {
    if (isPending()) throw new JitError('config.not-applied', `${deps.file} has changes that are not applied`)
    if (broken !== undefined)
      throw new JitError('config.invalid', `the config in force is broken: ${broken.message}`, {
        hint: 'Correct it and run `jit config apply` first.',
        details: broken.details,
      })
  }

  return {
    get current() {
      return current
    },
    get appliedAt() {
      return appliedAt
    },
    get broken() {
      return broken
    },
    get pending() {
      return isPending()
    },
    problems() {
      if (!isPending()) return broken === undefined ? [] : problemsOf(broken)
      try {
        build(readText(deps.file)).parts.discard()
        return []
      } catch (error) {
        return problemsOf(error)
      }
    },
    preview() {
      const { loaded, parts } = build(readText(deps.file))
      parts.discard()
      return { digest: loaded.digest, changes: changesTo(loaded), loaded }
    },
    apply(by, digest) {
      const next = build(readText(deps.file))
      const changes = changesTo(next.loaded)
      try {
        if (digest !== undefined && digest !== next.loaded.digest)
          throw new JitError('conflict', 'the config file changed since it was shown', { hint: 'Run `jit config apply` again.' })
      } catch (error) {
        next.parts.discard()
        throw error
      }
      if (next.loaded.digest !== current.loaded.digest || broken !== undefined) take(next, by, changes, {})
      else next.parts.discard()
      return { digest: next.loaded.digest, changes }
    },
    draft(change) {
      requireEditable()
      return deps.load(editConfig(current.loaded.text, change)).config
    },
    previewEdit(change) {
      requireEditable()
      const { loaded, parts } = build(editConfig(current.loaded.text, change))
      parts.discard()
      return { digest: loaded.digest, changes: changesTo(loaded) }
    },
    edit(change, by, { digest, ...together } = {}) {
      requireEditable()
      const next = build(editConfig(current.loaded.text, change), together.fresh)
      if (digest !== undefined && digest !== next.loaded.digest) {
        next.parts.discard()
        throw new JitError('conflict', 'the config changed since this was shown', { hint: 'Look at it again.' })
      }
      const changes = changesTo(next.loaded)
      take(next, by, changes, { ...together, rewrite: true })
      return { digest: next.loaded.digest, changes }
    },
    retry() {
      if (broken === undefined) return
      try {
        current = enter(build(current.loaded.text))
        broken = undefined
      } catch (error) {
        broken = asConfigError(error)
      }
    },
  }
}

export function problemsOf(error: unknown): readonly ConfigProblem[] {
  if (!(error instanceof JitError) || error.code !== 'config.invalid') throw error
  const { problems } = error.details
  if (Array.isArray(problems) && problems.length > 0) return problems
  const { file } = error.details
  return [{ file: typeof file === 'string' ? file : '', line: 1, column: 1, path: '', message: error.message }]
}

/** Whatever keeps a config from being used is told as what is wrong with it. */
function asConfigError(error: unknown): JitError {
  const failure = toJitError(error)
  return failure.code === 'config.invalid' ? failure : new JitError('config.invalid', failure.message, { cause: error, hint: failure.hint })
}
