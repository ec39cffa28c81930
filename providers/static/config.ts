import { z } from 'zod'
import { duration, holdsInvisible } from '../../src/provider/index.ts'

/** What stands under `providers.<name>` for `kind: static`; the key is in the sealed store. */
export const staticConfig = z.strictObject({
  origin: z
    .string()
    .regex(/^https?:\/\/[^/?#\s@]+$/, 'an origin is https://host[:port], without a path')
    .describe('what the key is for: where request rules without a host go'),
  placeholderPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,24}$/, 'letters, digits, "_", "." and "-", at most 24')
    .optional()
    .describe('what servers expect a key to start with, e.g. glpat-'),
  maxTtl: duration.prefault('1h').describe('no lease is used for longer'),
  note: z.string().max(500).optional().describe('for people: whose key it is, where it is rotated'),
})

export type StaticConfig = z.output<typeof staticConfig>

/** What the operation is about, in words: it keeps calls apart here, and narrows nothing upstream. */
export const staticScope = z.strictObject({
  about: z
    .string()
    .regex(/^(?! )[^*]{1,200}$/u, 'what the call is about: 1 to 200 characters, without "*"')
    .refine((text) => !holdsInvisible(text), 'what the call is about, in characters that one sees'),
})
