import { z } from 'zod'
import { duration } from '../config/duration.ts'
import { instanceName, toolName } from '../config/schema.ts'

/** What would be shown to a person as something else than it is: control, bidirectional and invisible characters. */
const hidden = /[\p{C}\u00ad\u115f\u1160\u3164\uffa0\u2028\u2029\u17b4\u17b5]|\u034f|[\ufe00-\ufe0e]|[\u{e0100}-\u{e01ef}]/u

/** What stands in a rule: nothing that looks like something else (a Cyrillic e), and no gaps that push the rest out of sight. */
const text = (longest: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/, 'only ASCII without control characters and with single spaces; a person writes others')

/** An agent's words in any language. They may fill lines, but not draw them. */
const words = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((given) => !hidden.test(given), 'no control or invisible characters')
    .refine((given) => !/\p{M}{4}/u.test(given), 'no more than three marks on one letter')
    .transform((given) => given.replace(/[\s\u2800]+/gu, ' '))

const value = z.union([text(200), z.number(), z.boolean()])
const argumentName = z
  .string()
  .max(100)
  .regex(/^(?!.*(__proto__|constructor|prototype))[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$/, 'not the name of an argument')

/** One change of one server's rules, as an agent may propose it; at least one of its parts is there. */
export const proposedChange = z.strictObject({
  server: instanceName.describe('Name of the server, as what_may_i_do lists it'),
  reason: words(500).describe('What you need it for, for the person who decides'),
  tool: z.string().regex(toolName, 'not the name of a tool').optional().describe('The tool that `effect` or `when` is about'),
  effect: z
    .enum(['allow', 'ask', 'deny'])
    .optional()
    .describe('allow: calls of the tool are let through; ask: a person approves each one; deny: the tool is hidden'),
  when: text(500).optional().describe('Narrows the tool: a CEL condition over `args` that has to hold as well, e.g. args.state == "open"'),
  argument: argumentName
    .optional()
    .describe('The argument whose values `admit` and `refuse` are about, e.g. repo; for all tools of the server'),
  admit: z
    .array(value)
    .min(1)
    .max(20)
    .optional()
    .describe(
      'Values of the argument to let through as well. An argument that no condition names yet is bound to them, in every call of the server',
    ),
  refuse: z.array(value).min(1).max(20).optional().describe('Values of the argument to let through no longer'),
  ttl: z
    .string()
    .max(12)
    .refine((given) => duration.safeParse(given).success, 'a duration is a number and a unit: 30s, 5m')
    .optional()
    .describe('How long a credential of this server lives, e.g. 2m'),
  lifetime: z
    .enum(['call', 'ttl'])
    .optional()
    .describe('call: credentials end with the call; ttl: equal calls share one until its ttl is over'),
})

export type ProposedChange = z.output<typeof proposedChange>

/** What is missing in a change, as a sentence for whoever proposed it; undefined when it is whole. */
export function incomplete({ tool, effect, when, argument, admit, refuse, ttl, lifetime }: ProposedChange): string | undefined {
  if ((effect !== undefined || when !== undefined) && tool === undefined) return '`effect` and `when` need a `tool`'
  if (tool !== undefined && effect === undefined && when === undefined) return '`tool` needs an `effect` or a `when`'
  if (effect === 'deny' && when !== undefined) return '`when` says nothing about a tool that is denied'
  if ((admit !== undefined || refuse !== undefined) && argument === undefined) return '`admit` and `refuse` need an `argument`'
  if (argument !== undefined && admit === undefined && refuse === undefined) return '`argument` needs values to `admit` or to `refuse`'
  if (tool === undefined && argument === undefined && ttl === undefined && lifetime === undefined)
    return 'nothing is proposed; give `tool` with `effect` or `when`, `argument` with `admit` or `refuse`, `ttl`, or `lifetime`'
  return undefined
}
