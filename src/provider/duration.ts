import { z } from 'zod'

const units = { s: 1000, m: 60_000, h: 3_600_000 } as const

/** For the config of a provider: `90s`, `5m`, `1h`, in milliseconds. */
export const duration = z
  .string()
  .regex(/^[1-9]\d{0,5}[smh]$/, 'a duration is a number and s, m or h, e.g. 5m')
  .transform((text) => Number(text.slice(0, -1)) * (text.endsWith('s') ? units.s : text.endsWith('m') ? units.m : units.h))
