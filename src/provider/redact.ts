import { createScrubber } from '../core/scrub.ts'
import { Secret } from '../core/secret.ts'

const replacement = '[redacted by jit]'
/** Longer ones are removed in every spelling; a short password only as it is, since its spellings occur in ordinary words. */
const shortest = 8

/**
 * A stranger's text without what the request carried: raw, and in the spellings in which it comes back (base64, percent, hex,
 * JSON escapes). Also without the blanks around a secret, which no header keeps.
 */
export function redact(text: string, secrets: readonly (Secret | undefined)[]): string {
  const carried = secrets.flatMap((secret) => (secret === undefined ? [] : trimmed(secret)))
  const clean = createScrubber(carried, replacement).scrubText(text)
  return carried.reduce(
    (rest, secret) =>
      secret.length === 0 || secret.length >= shortest ? rest : secret.seal((value) => rest.replaceAll(value, replacement)),
    clean,
  )
}

function trimmed(secret: Secret): Secret[] {
  const bare = secret.seal((value) => value.trim())
  return bare.length === secret.length ? [secret] : [secret, new Secret(bare)]
}
