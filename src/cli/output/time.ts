const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Milliseconds in the one unit that says enough: `350 ms`, `12 s`, `5 min`, `3 h`, `2 d`. */
export function span(milliseconds: number): string {
  if (milliseconds < second) return `${Math.max(0, Math.round(milliseconds))} ms`
  if (milliseconds < 90 * second) return `${Math.round(milliseconds / second)} s`
  if (milliseconds < 90 * minute) return `${Math.round(milliseconds / minute)} min`
  return milliseconds < 2 * day ? `${Math.round(milliseconds / hour)} h` : `${Math.round(milliseconds / day)} d`
}

/** How long ago, as a bare span. */
export function since(time: number, now = Date.now()): string {
  return span(now - time)
}

/** How long it will still be, as a bare span; `over` when it is not. */
export function until(time: number, now = Date.now()): string {
  return time <= now ? 'over' : span(time - now)
}

/** `14:02:11`, in the terminal's time zone. */
export function clockTime(time: number | Date): string {
  return new Date(time).toLocaleTimeString('en-GB')
}

/** `2026-11-21`, in the terminal's time zone. */
export function calendarDay(time: number | Date): string {
  return new Date(time).toLocaleDateString('sv-SE')
}

/** `30m`, `1h`, `2d` before now, or a date and time; undefined when it is neither. */
export function parseSince(text: string, now = Date.now()): number | undefined {
  const [, count, unit] = /^(\d{1,6})(s|m|h|d)$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * (unit === 's' ? second : unit === 'm' ? minute : unit === 'h' ? hour : day)
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}
