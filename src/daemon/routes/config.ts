import { type ApplyView, applyRequest } from '../../api/schema.ts'
import { byCommandLine, type Routes } from './route.ts'
import type { LoadedConfig } from '../../config/types.ts'
import { warningsOf } from '../config-warnings.ts'
import { problemsOf } from '../configuration.ts'
import type { Daemon } from '../types.ts'

export function configRoutes(daemon: Daemon): Routes {
  const { configuration } = daemon
  const told = (view: ApplyView): ApplyView => (configuration.broken === undefined ? view : { ...view, broken: true })
  const preview = async (): Promise<ApplyView> => {
    let seen: LoadedConfig | undefined
    const view = told(attempt(() => ({ loaded: seen } = configuration.preview()), false))
    return seen === undefined ? view : { ...view, warnings: (await warningsOf(daemon.sandbox, seen)).map((warning) => ({ ...warning })) }
  }
  return {
    checkConfig: () => preview(),
    applyConfig: (request) => {
      const { digest, dryRun } = applyRequest.parse(request.body ?? {})
      if (dryRun) return preview()
      return told(attempt(() => configuration.apply(byCommandLine, digest), true))
    },
  }
}

/** Tries a config; its problems are an answer, not a failure. */
export function attempt(work: () => { digest: string; changes: ApplyView['changes'] }, applied: boolean): ApplyView {
  try {
    const { digest, changes } = work()
    return { applied, digest, changes: changes.map((change) => ({ ...change })), problems: [] }
  } catch (error) {
    return { applied: false, digest: '', changes: [], problems: problemsOf(error).map((problem) => ({ ...problem })) }
  }
}
