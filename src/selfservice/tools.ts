import { z } from 'zod'
import type { SelfTool } from '../config/self.ts'
import { proposedChange } from './change.ts'

export interface SelfToolDefinition {
  readonly title: string
  /** Written for the model that chooses among tools. */
  readonly description: string
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint?: boolean
    readonly idempotentHint?: boolean
    readonly openWorldHint: false
  }
  readonly input: z.ZodType<object>
}

const reads = { readOnlyHint: true, openWorldHint: false } as const

const serverName = z.string().max(63).describe('Name of the server, as what_may_i_do lists it')

/** Arguments of the tools that only look. */
export const inputs = {
  what_may_i_do: z.strictObject({ server: serverName.optional().describe('Only this server; all of them when absent') }),
  explain_call: z.preprocess(
    argsAsArguments,
    z.strictObject({
      server: serverName,
      tool: z.string().max(128).describe('Name of the tool'),
      arguments: z.record(z.string(), z.unknown()).default({}).describe('The arguments that you would call it with'),
    }),
  ),
  why_was_i_denied: z.strictObject({
    call: z.string().max(60).optional().describe('Id of one call (call_…); your last denials when absent'),
    limit: z.int().min(1).max(20).default(5).describe('How many of the last denials'),
  }),
  my_proposals: z.strictObject({}),
} as const

export const tools: Readonly<Record<SelfTool, SelfToolDefinition>> = {
  what_may_i_do: {
    title: 'What may I do',
    description:
      'Lists the servers behind jit, the tools of each that you may call, whether a person has to approve each call, and under which ' +
      'conditions (which argument values) a call is let through. Use it before you plan work with these servers.',
    annotations: reads,
    input: inputs.what_may_i_do,
  },
  explain_call: {
    title: 'Explain a call',
    description:
      'Says what would happen to one tool call, without making it: let through, put before a person, or denied and why; and what its ' +
      'credential could be used for. Use it when you are unsure whether a call is allowed.',
    annotations: reads,
    input: inputs.explain_call,
  },
  why_was_i_denied: {
    title: 'Why was I denied',
    description:
      'Tells which rule denied your own recent calls, why, and what would help. Use it after a call was denied, instead of trying ' +
      'variations of it.',
    annotations: reads,
    input: inputs.why_was_i_denied,
  },
  propose_rule: {
    title: 'Propose a rule',
    description:
      'Suggests one wider or narrower rule for one server to the person who runs jit. Nothing changes until that person accepts it, ' +
      'which may be never, so go on without it. Ask for the least that the task needs, and say in `reason` what it is for.',
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    input: proposedChange,
  },
  my_proposals: {
    title: 'My proposals',
    description: 'Lists what you have proposed in this session, and whether a person has accepted or rejected it.',
    annotations: reads,
    input: inputs.my_proposals,
  },
}

/** `args` is how conditions and `jit explain` name them, so models write it too. Beside `arguments` it stays, and is refused. */
function argsAsArguments(given: unknown): unknown {
  if (!isRecord(given) || !Object.hasOwn(given, 'args') || Object.hasOwn(given, 'arguments')) return given
  const { args, ...rest } = given
  return { ...rest, arguments: args }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
