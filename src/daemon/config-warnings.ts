import { ProblemList } from '../config/problems.ts'
import type { ConfigProblem, LoadedConfig } from '../config/types.ts'
import type { Sandbox } from '../sandbox/types.ts'

/** Of each server that could not start as the machine is now, the first thing that it declares and cannot be shown. */
export async function warningsOf(sandbox: Pick<Sandbox, 'judge' | 'problem'>, loaded: LoadedConfig): Promise<readonly ConfigProblem[]> {
  const { config, file, source } = loaded
  const warnings = new ProblemList(file, source)
  for (const [name, server] of Object.entries(config.servers)) {
    const problem = (await sandbox.judge(server)).used ? sandbox.problem(name, config) : undefined
    if (problem === undefined) continue
    const { option } = problem.details
    const list = option === 'readable' || option === 'writable' ? option : undefined
    const index = list === undefined ? -1 : server[list].findIndex((given) => given === problem.details['given'])
    const place = list === undefined ? [] : [list, ...(index < 0 ? [] : [index])]
    warnings.add(['servers', name, ...place], `the server does not start: ${problem.message}`)
  }
  return warnings.all
}
