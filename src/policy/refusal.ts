import type { ErrorCode } from '../core/errors.ts'

/** Why a call is denied; thrown and caught inside policy only. `at` is the rule's path below the row it stands in. */
export class Refusal extends Error {
  readonly code: ErrorCode
  readonly at: string

  constructor(reason: string, at: string, code: ErrorCode = 'policy.argument') {
    super(reason)
    this.name = 'Refusal'
    this.code = code
    this.at = at
  }
}

/** What is wrong with a rule in the config; thrown while compiling, never while deciding. */
export class RuleError extends Error {
  /** Path below the rule's own place, e.g. `['requests', 0]`. */
  readonly path: readonly (string | number)[]

  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message)
    this.name = 'RuleError'
    this.path = path
  }
}

/** Runs `compile`; a RuleError in it gets `path` in front of its own. */
export function within<T>(path: readonly (string | number)[], compile: () => T): T {
  try {
    return compile()
  } catch (error) {
    if (error instanceof RuleError) throw new RuleError(error.message, [...path, ...error.path])
    throw error
  }
}
