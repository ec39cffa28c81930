import { z } from 'zod'
import { JitError, type JsonObject, quote } from '../../src/provider/index.ts'
import { type ActionFacts, findAction } from './actions.ts'
import { isOfKind, refuseArn } from './arn.ts'

/** Sessions with these could make credentials that live longer than the lease and know nothing of its session policy. */
const begetting =
  /^(sts:(AssumeRo.*|Get(FederationToken|SessionToken|DelegatedAccessToken|WebIdentityToken))|iam:(CreateAccessKey|CreateServiceSpecificCredential|(Create|Update)LoginProfile))$/i
const operatorPattern =
  /^(For(All|Any)Values:)?(String(Not)?(Equals(IgnoreCase)?|Like)|Numeric(Not)?Equals|Numeric(Less|Greater)Than(Equals)?|Date(Not)?Equals|Date(Less|Greater)Than(Equals)?|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like)|Null)(IfExists)?$/
const variable = /\$\{|[\p{Cc}\p{Zl}\p{Zp}]/u

const conditionValue = z.union([z.string().min(1), z.number(), z.boolean()]).refine((value) => !variable.test(String(value)), {
  error: 'a policy variable or a control character',
})
const conditions = z.record(
  z.string().regex(operatorPattern),
  z
    .record(z.string().regex(/^[\w-]+:[^\p{C}*?$"\\]{1,200}$/u), z.union([conditionValue, z.array(conditionValue).min(1)]), {
      error: (issue) => (issue.code === 'invalid_key' ? 'no condition key of IAM' : undefined),
    })
    .refine((keys) => Object.keys(keys).length > 0, 'at least one condition key'),
  { error: (issue) => (issue.code === 'invalid_key' ? 'no condition operator of IAM' : undefined) },
)

const statement = z
  .strictObject({
    actions: z
      .array(z.string().regex(/^[A-Za-z0-9-]+:[A-Za-z0-9]+$/, 'an action is service:Name, without wildcards'))
      .min(1)
      .max(50),
    resources: z.array(z.string().min(1)).min(1).max(50),
    conditions: z.exactOptional(conditions.refine((value) => Object.keys(value).length > 0, 'at least one condition')),
  })
  .superRefine(({ actions, resources }, context) => {
    for (const { path, message } of problems(actions, resources)) context.addIssue({ code: 'custom', path, message })
  })

/** What one operation may do. Nothing in it may mean "everything". */
export const awsScope = z.union([statement, z.strictObject({ statements: z.array(statement).min(1).max(20) })], { error: explainUnion })

/** The complaints of the form that was meant, in place of "neither". */
function explainUnion(issue: { readonly input?: unknown; readonly errors?: unknown }): string | undefined {
  const { input, errors } = issue
  if (!Array.isArray(errors)) return undefined
  const meant: unknown = errors[typeof input === 'object' && input !== null && 'statements' in input ? 1 : 0]
  const parsed = z.array(z.object({ message: z.string(), path: z.array(z.union([z.string(), z.number()])) })).safeParse(meant)
  return parsed.success ? parsed.data.map(({ message, path }) => `${path.join('.')}: ${message}`).join('; ') : undefined
}

export interface Statement {
  readonly actions: readonly string[]
  readonly resources: readonly string[]
  readonly conditions?: JsonObject
}

/** Throws JitError `provider.scope`. */
export function statementsOf(scope: JsonObject): readonly Statement[] {
  const parsed = awsScope.safeParse(scope)
  if (!parsed.success) {
    throw new JitError('provider.scope', `not a scope of aws-sts: ${quote(scope)}`, {
      hint: parsed.error.issues.map((issue) => issue.message).join('; '),
      details: { sent: false },
    })
  }
  return listOf(parsed.data)
}

/** The statements, or undefined for what is no scope. */
export function readStatements(scope: JsonObject): readonly Statement[] | undefined {
  const parsed = awsScope.safeParse(scope)
  return parsed.success ? listOf(parsed.data) : undefined
}

function listOf(scope: z.output<typeof awsScope>): readonly Statement[] {
  return 'statements' in scope ? scope.statements : [scope]
}

const draft = z.object({ actions: z.array(z.string()), resources: z.array(z.string()) })
const drafts = z.union([z.object({ statements: z.array(draft).min(1) }), draft])

/** Why no call could make a scope of this template: an action that does not exist, a "*" that stands for everything. */
export function refuseTemplate(template: JsonObject): string | undefined {
  const parsed = drafts.safeParse(template)
  if (!parsed.success) return 'a scope of aws-sts has actions and resources, or statements that have them'
  for (const { actions, resources } of 'statements' in parsed.data ? parsed.data.statements : [parsed.data]) {
    if (actions.some((action) => action.includes('${'))) return 'actions take no value from a call'
    const open = resources.some((resource) => resource.includes('${'))
    const [problem] = open ? actionProblems(actions).found : problems(actions, resources)
    if (problem !== undefined) return problem.message
  }
  return undefined
}

interface Problem {
  readonly path: (string | number)[]
  readonly message: string
}

function problems(actions: readonly string[], resources: readonly string[]): Problem[] {
  const { found, facts } = actionProblems(actions)
  if (found.length > 0) return found
  return resources.every((resource) => resource === '*') ? withoutResources(facts) : withResources(facts, resources)
}

function actionProblems(actions: readonly string[]): { found: Problem[]; facts: ActionFacts[] } {
  const found: Problem[] = []
  const facts: ActionFacts[] = []
  for (const [index, action] of actions.entries()) {
    const known = findAction(action)
    if ('problem' in known) found.push({ path: ['actions', index], message: known.problem })
    else if (begetting.test(known.name)) {
      found.push({
        path: ['actions', index],
        message: `"${known.name}" could make credentials that outlive the lease and its session policy`,
      })
    } else facts.push(known)
  }
  return { found, facts }
}

function withoutResources(facts: readonly ActionFacts[]): Problem[] {
  return facts
    .filter(({ resources }) => resources.length > 0)
    .map(({ name, resources }) => ({
      path: ['resources', 0],
      message: `"*" is every resource; "${name}" takes one, such as ${examples(resources)[0]}`,
    }))
}

/** A pair that never matches would be an empty permission, which nobody writes on purpose. */
function withResources(facts: readonly ActionFacts[], resources: readonly string[]): Problem[] {
  const refused = resources.flatMap((resource, index): Problem[] => {
    const why = resource === '*' ? 'stands beside other resources; give it a statement of its own' : refuseArn(resource)
    return why === undefined ? [] : [{ path: ['resources', index], message: `${quote(resource)} ${why}` }]
  })
  if (refused.length > 0) return refused
  const useless = facts.flatMap(({ name, resources: kinds }): Problem[] => {
    if (kinds.length === 0)
      return [{ path: ['actions'], message: `"${name}" takes no resource: it needs a statement of its own, with "*"` }]
    if (resources.some((resource) => kinds.some((kind) => isOfKind(resource, kind)))) return []
    return [{ path: ['resources'], message: `"${name}" acts on none of these; it takes ${examples(kinds).join(' or ')}` }]
  })
  const idle = resources.flatMap((resource, index): Problem[] =>
    facts.some(({ resources: kinds }) => kinds.some((kind) => isOfKind(resource, kind)))
      ? []
      : [{ path: ['resources', index], message: `none of the actions acts on ${quote(resource)}` }],
  )
  return [...useless, ...idle]
}

/** The plainest of them, for a message. */
function examples(kinds: readonly string[]): string[] {
  return [...kinds].sort((left, right) => left.length - right.length).slice(0, 3)
}
