import { z } from 'zod'

const form = 'a duration is a number and a unit: 500ms, 30s, 5m, 1h'
const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `500ms`, `30s`, `5m`, `1h`, `7d` → milliseconds. */
export const duration = z
  .string(form)
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, form)
  .transform(parseDuration)

/** Milliseconds of a duration that matched the grammar above; NaN for anything else. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (!match) return Number.NaN
  return Number(match[1]) * unit[match[2] as keyof typeof unit]
}

/** The shortest of the spellings above that is exact, for people. */
export function formatDuration(milliseconds: number): string {
  for (const name of ['d', 'h', 'm', 's'] as const) {
    if (milliseconds >= unit[name] && milliseconds % unit[name] === 0) return `${milliseconds / unit[name]}${name}`
  }
  return `${Math.round(milliseconds)}ms`
}
