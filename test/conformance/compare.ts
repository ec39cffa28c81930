import { type Check, passes, type SuiteResult } from './suites.ts'

export interface Difference {
  readonly scenario: string
  /** `id name` of a check, or undefined when the whole scenario is missing. */
  readonly check: string | undefined
  readonly before: Check
  readonly after: Check | undefined
}

/** What passed without jit and does not through it. */
export interface Comparison {
  /** What fails, is a warning, or is gone: a check that a scenario leaves out has shown nothing. */
  readonly lost: readonly Difference[]
  /** What is a warning or gone and may be. */
  readonly weaker: readonly Difference[]
}

/** Holds one run through jit against one without, check by check; `excused`: whether a check may be less than a success. */
export function compare(direct: SuiteResult, through: SuiteResult, excused: (check: string) => boolean = () => false): Comparison {
  const lost: Difference[] = []
  const weaker: Difference[] = []
  for (const [scenario, before] of direct.scenarios) {
    const after = through.scenarios.get(scenario)
    const broken = passes(before) && (after === undefined || !passes(after))
    for (const [check, was] of before) {
      const is = after?.get(check)
      if (was.status !== 'SUCCESS' || is?.status === 'SUCCESS') continue
      const difference = { scenario, check, before: was, after: is }
      if (is?.status === 'FAILURE' || broken || !excused(check)) lost.push(difference)
      else weaker.push(difference)
    }
    if (broken && !lost.some((one) => one.scenario === scenario)) lost.push(newFailure(scenario, after))
  }
  return { lost, weaker }
}

/** A failed check that the run without jit did not have at all. */
function newFailure(
  scenario: string,
  after: SuiteResult['scenarios'] extends ReadonlyMap<string, infer C> ? C | undefined : never,
): Difference {
  const failed = [...(after ?? [])].find(([, { status }]) => status === 'FAILURE')
  const before: Check = { status: 'SUCCESS', message: '' }
  return { scenario, check: failed?.[0], before, after: failed?.[1] }
}

export interface Counts {
  readonly scenarios: number
  readonly passing: number
  readonly checks: number
  readonly failed: number
}

export function counts({ scenarios }: SuiteResult): Counts {
  const all = [...scenarios.values()]
  const checks = all.flatMap((one) => [...one.values()])
  return {
    scenarios: all.length,
    passing: all.filter(passes).length,
    checks: checks.filter(({ status }) => status === 'SUCCESS').length,
    failed: checks.filter(({ status }) => status === 'FAILURE').length,
  }
}
