import { plain } from './text.ts'

/** Characters of a hash that a person compares. */
const shown = 12

/** A pin for people: its hashes by their first characters. Programs get it whole, with `--json`. */
export function pinText(pin: string): string {
  return plain(pin).replaceAll(
    /\b(sha\d{3}[:-])([A-Za-z0-9+/=]+)/g,
    (_all, kind: string, digest: string) => `${kind}${digest.length > shown ? `${digest.slice(0, shown)}…` : digest}`,
  )
}
