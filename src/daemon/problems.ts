import type { z } from 'zod'

/** One line of what a schema found. */
export function problemsFromZod(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`).join('; ')
}
