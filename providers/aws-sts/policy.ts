import { JitError, type JsonObject } from '../../src/provider/index.ts'
import { parseArn } from './arn.ts'
import { type Statement, statementsOf } from './scope.ts'

/** STS takes at most so many characters of a session policy. */
const longestPolicy = 2048

/** The session policy of a scope: the same text for the same scope, whatever the order of its parts. */
export function sessionPolicy(scope: JsonObject): JsonObject {
  const statements = statementsOf(scope).map((statement) => ({
    Effect: 'Allow',
    Action: unique(statement.actions),
    Resource: unique(statement.resources),
    ...(statement.conditions === undefined ? {} : { Condition: sorted(statement.conditions) }),
  }))
  return { Version: '2012-10-17', Statement: statements }
}

/**
 * The policy as STS takes it: characters that it does not take stand as JSON escapes. Throws JitError `provider.scope` when it
 * is longer than 2,048 characters.
 */
export function policyText(policy: JsonObject): string {
  const text = JSON.stringify(policy).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  if (text.length > longestPolicy) {
    throw new JitError('provider.scope', `the session policy has ${text.length} characters; AWS takes at most ${longestPolicy}`, {
      hint: 'Name fewer resources or actions in the scope of this tool, or a common prefix of them with "*" at its end.',
      details: { sent: false, characters: text.length },
    })
  }
  return text
}

/** Whether each statement of `granted` lies within one of `asked`. Errs towards false. */
export function isWithin(granted: readonly Statement[], asked: readonly Statement[]): boolean {
  return granted.every((given) =>
    asked.some(
      (wanted) =>
        given.actions.every((action) => wanted.actions.includes(action)) &&
        given.resources.every((resource) => wanted.resources.includes(resource)) &&
        JSON.stringify(sorted(given.conditions ?? {})) === JSON.stringify(sorted(wanted.conditions ?? {})),
    ),
  )
}

/** What of a resource a process may keep in mind for another call: the bucket, or the resource itself. */
export function territory(resource: string): string {
  const arn = parseArn(resource)
  return arn?.service === 's3' && arn.account === '' ? (arn.resource.split('/')[0] ?? '') : resource
}

/** For people: `acme-reports/2026.csv`, `dynamodb table/Orders`; an action where there is no resource. */
export function touched(statements: readonly Statement[]): string[] {
  const names = statements.flatMap(({ actions, resources }) =>
    resources.flatMap((resource) => {
      const arn = parseArn(resource)
      if (arn === undefined) return actions
      return arn.service === 's3' ? arn.resource : `${arn.service} ${arn.resource}`
    }),
  )
  return unique(names)
}

export function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort()
}

function sorted(conditions: JsonObject): JsonObject {
  const entries = Object.entries(conditions).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([name, value]) => [name, isObject(value) ? sorted(value) : value]))
}

function isObject(value: JsonObject[string]): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
