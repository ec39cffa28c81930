/** How many times as many cases each property tries than in `npm test`; `npm run torture` sets it. */
export const factor = Number(process.env['JIT_CASES_FACTOR'] ?? 1)

/** Cases that a property tries: `usual` in `npm test`. */
export function cases(usual: number): number {
  return Math.max(1, Math.round(usual * factor))
}
