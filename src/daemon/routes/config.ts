import { type ApplyView, applyRequest } from '../../api/schema.ts'
import { byCommandLine, type Routes } from './route.ts'
import { problemsOf } from '../configuration.ts'
import type { Daemon } from '../types.ts'

export function configRoutes(daemon: Daemon): Routes {
  const { configuration } = daemon
  const told = (view: ApplyView): ApplyView => (configuration.broken === undefined ? view : { ...view, broken: true })
  return {
    checkConfig: () => told(attempt(() => configuration.preview(), false)),
    applyConfig: (request) => {
      const { digest, dryRun } = applyRequest.parse(request.body ?? {})
      if (dryRun) return told(attempt(() => configuration.preview(), false))
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
