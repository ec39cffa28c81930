import { quote } from '../core/errors.ts'
import type { Json } from '../core/json.ts'
import type { Decision, Denial, Grant, LeaseGrant, Operation, Permission, RuleReference } from '../core/types.ts'
import type { CompiledCase } from './case.ts'
import type { Reads } from './reads.ts'
import { Refusal } from './refusal.ts'
import type { CompiledServer } from './types.ts'
import { matchesName, matchesUri } from './uri.ts'
import type { Constraint } from './where.ts'

type Used = Record<string, Json>

export type ToolRule =
  | { readonly effect: 'deny'; readonly rule: RuleReference }
  | {
      readonly effect: 'allow' | 'ask'
      readonly rule: RuleReference
      readonly cases: readonly CompiledCase[]
      /** What decides about it: what its cases read, and the server's `where` unless all of them are free of it. */
      readonly reads: Reads
    }

/** All that is known of one server when a call is decided. */
export interface ServerRules {
  readonly name: string
  readonly tools: ReadonlyMap<string, ToolRule>
  readonly where: readonly Constraint[]
  readonly startup: LeaseGrant | undefined
  /** What resources and prompts are granted; none when absent. */
  readonly shared: CompiledCase | undefined
  readonly origins: ReadonlySet<string>
  readonly resources: readonly string[]
  readonly prompts: readonly string[]
}

/** Decides one operation: look-ups and comparisons only. Whatever goes wrong is a denial. */
export function decideOn(servers: ReadonlyMap<string, ServerRules>, operation: Operation): Decision {
  const used: Used = {}
  try {
    const server = servers.get(operation.server)
    if (server === undefined) return unlisted(`no server is named ${quote(operation.server)}`, 'servers')
    switch (operation.kind) {
      case 'tool':
        return decideTool(server, operation, used)
      case 'resource':
        return decideName(server, operation, 'resources', matchesUri)
      case 'prompt':
        return decideName(server, operation, 'prompts', matchesName)
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return {
      effect: 'deny',
      rule: { source: 'default', path: 'policy' },
      code: 'policy.denied',
      reason: `the call could not be decided: ${quote(reason)}`,
      hidden: false,
      used,
    }
  }
}

/** What lists show and egress may reach, from the same rules. */
export function createServer(rules: ServerRules, digest: string): CompiledServer {
  const constrained = new Map([...rules.tools].map(([name, tool]) => [name, tool.effect === 'deny' ? new Set<string>() : tool.reads.names]))
  const none: ReadonlySet<string> = new Set()
  return {
    name: rules.name,
    digest,
    visible: (tool) => (rules.tools.get(tool)?.effect ?? 'deny') !== 'deny',
    resourceVisible: (uri) => rules.resources.some((pattern) => matchesUri(pattern, uri)),
    promptVisible: (name) => rules.prompts.some((pattern) => matchesName(pattern, name)),
    startup: rules.startup,
    origins: rules.origins,
    constrained: (tool) => constrained.get(tool) ?? none,
  }
}

function decideTool(server: ServerRules, operation: Operation, used: Used): Decision {
  const tool = server.tools.get(operation.name)
  if (tool === undefined)
    return unlisted(`the tool ${quote(operation.name)} is not listed under allow or ask of ${server.name}`, `servers.${server.name}`)
  if (tool.effect === 'deny') {
    return {
      effect: 'deny',
      rule: tool.rule,
      code: 'policy.denied',
      reason: `the tool ${quote(operation.name)} is denied (${tool.rule.path})`,
      hidden: true,
      used: {},
    }
  }
  const { args } = operation
  const odd = tool.reads.otherSpelling(args)
  if (odd !== undefined) {
    const reason = `the argument ${quote(odd)} is one that policy reads, in another spelling: the server might read it, too`
    return { effect: 'deny', rule: tool.rule, code: 'policy.denied', reason, hidden: false, used: {} }
  }
  let current: CompiledCase | undefined
  try {
    for (const one of tool.cases) {
      current = one
      if (!one.holds(args, used)) continue
      if (!one.free) for (const constraint of server.where) constraint.check(args, used)
      for (const constraint of one.where) constraint.check(args, used)
      const grant = one.grant(args, used)
      const resource = one.resource(args, grant) ?? operation.name
      const permission: Permission = { effect: tool.effect, rule: tool.rule, grant, used, resource }
      return permission
    }
  } catch (error) {
    if (error instanceof Refusal) return refused(error, current, used)
    throw error
  }
  return noCase(tool.cases, operation, tool.rule, used)
}

function refused(refusal: Refusal, at: CompiledCase | undefined, used: Used): Denial {
  const inRow = refusal.at === 'when' || refusal.at === 'scope' || refusal.at === 'requests'
  const path = inRow ? `${at?.rule.path ?? 'policy'}.${refusal.at}` : refusal.at
  const source = inRow && at !== undefined ? at.rule.source : path.startsWith('servers.') ? 'config' : 'preset'
  return { effect: 'deny', rule: { source, path }, code: refusal.code, reason: `${refusal.message} (${path})`, hidden: false, used }
}

function noCase(cases: readonly CompiledCase[], operation: Operation, listed: RuleReference, used: Used): Denial {
  const [first] = cases
  const rule =
    cases.length === 1 && first !== undefined ? { source: first.rule.source, path: `${first.rule.path}.when` } : (first?.rule ?? listed)
  const reason =
    cases.length === 1 && first?.when !== undefined
      ? `the condition ${quote(first.when)} does not hold for this call (${rule.path})`
      : `none of the ${cases.length} cases of ${quote(operation.name)} covers this call (${rule.path})`
  return { effect: 'deny', rule, code: 'policy.denied', reason, hidden: false, used }
}

function decideName(
  server: ServerRules,
  operation: Operation,
  list: 'resources' | 'prompts',
  matches: (pattern: string, name: string) => boolean,
): Decision {
  const index = server[list].findIndex((pattern) => matches(pattern, operation.name))
  const noun = list === 'resources' ? 'resource' : 'prompt'
  if (index < 0)
    return unlisted(`the ${noun} ${quote(operation.name)} is not listed under ${list} of ${server.name}`, `servers.${server.name}`)
  const rule = { source: 'config' as const, path: `servers.${server.name}.${list}[${index}]` }
  const used: Used = {}
  let grant: Grant = { credential: 'none' }
  try {
    if (server.shared !== undefined) grant = server.shared.grant({}, used)
  } catch (error) {
    if (error instanceof Refusal) return refused(error, server.shared, used)
    throw error
  }
  return {
    effect: 'allow',
    rule,
    grant,
    used,
    resource: operation.name.length <= 300 ? operation.name : `${operation.name.slice(0, 299)}…`,
  }
}

function unlisted(reason: string, path: string): Denial {
  return { effect: 'deny', rule: { source: 'default', path }, code: 'policy.unlisted', reason, hidden: true, used: {} }
}
