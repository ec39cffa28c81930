import { quote } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { ProviderFacts } from './types.ts'
import { type ArgumentName, maxArgumentLength, needArgument, parseArgumentName, printScalar } from './argument.ts'
import { Refusal, RuleError } from './refusal.ts'

type Scalar = string | number | boolean
type WhereConfig = Readonly<Record<string, Scalar | readonly Scalar[]>>

/** One constraint: the argument, and the values it may have. */
export interface Constraint {
  readonly name: ArgumentName
  /** Throws Refusal when the call lies outside of it. */
  check(args: JsonObject, used: Record<string, Json>): void
}

/** Compiles `where`. `at` is its path in the config, for reasons: `servers.github.where`. Throws RuleError. */
export function compileWhere(where: WhereConfig, facts: ProviderFacts | undefined, at: string): Constraint[] {
  return Object.entries(where).map(([key, wanted]) => {
    const name = parseArgumentName(key)
    if (name === undefined) throw new RuleError(`${quote(key)} cannot name an argument`, [key])
    return compileConstraint(name, isList(wanted) ? wanted : [wanted], ignoresCase(name, facts), `${at}.${key}`)
  })
}

function compileConstraint(name: ArgumentName, wanted: readonly Scalar[], ignoreCase: boolean, at: string): Constraint {
  const fold = (value: Json): Json => (ignoreCase && typeof value === 'string' ? foldCase(value) : value)
  const admitted = new Set<Json>(wanted.map(fold))
  const names = `${wanted.slice(0, 10).map(String).join(', ')}${wanted.length > 10 ? ', …' : ''}`
  return {
    name,
    check(args, used) {
      const value = needArgument(args, name, at)
      if (typeof value !== 'string' || value.length <= maxArgumentLength) used[name.text] = value
      const values = isJsonList(value) ? value : [value]
      if (values.length === 0) throw new Refusal(`${name.text} is an empty list`, at)
      for (const item of values) {
        if (isJsonObject(item) || isJsonList(item)) throw new Refusal(`${name.text} ${quote(item, 60)} is no text, number or boolean`, at)
        if (typeof item === 'string') printScalar(item, name, at)
        if (!admitted.has(fold(item)))
          throw new Refusal(`${name.text} ${quote(item, 60)} is not ${wanted.length > 1 ? 'among ' : ''}${names}`, at)
      }
    },
  }
}

/** Arguments that hold a GitHub account's or repository's name, which GitHub compares without case; a branch or path is not one. */
const githubNames = new Set(['owner', 'repo', 'repository', 'org', 'organization', 'user', 'username', 'login', 'account'])

export function ignoresCase(name: ArgumentName, facts: ProviderFacts | undefined): boolean {
  return facts?.kind === 'github-app' && githubNames.has(name.steps.at(-1) ?? '')
}

/** ASCII only, as GitHub's names are: nothing outside ASCII folds into a name that is admitted. */
export function foldCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text
}

function isList(value: Scalar | readonly Scalar[]): value is readonly Scalar[] {
  return Array.isArray(value)
}

function isJsonList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
