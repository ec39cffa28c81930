const maxUriLength = 4096

/** A prompt's name: the pattern itself, or with a trailing `*` anything that begins like it. */
export function matchesName(pattern: string, name: string): boolean {
  return name.length <= maxUriLength && (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern)
}

/**
 * A resource's URI, exactly or by a trailing `*`. What the `*` stands for must not lead out of the place that the pattern
 * names: no `..`, backslash, control character, or encoded form of those, of a slash or of `%` itself.
 */
export function matchesUri(pattern: string, uri: string): boolean {
  if (!matchesName(pattern, uri)) return false
  if (!pattern.endsWith('*')) return true
  const rest = uri.slice(pattern.length - 1)
  if (/%(?:2e|2f|5c|25|[01][0-9a-f]|7f)/i.test(rest) || /[\p{Cc}\\]/u.test(rest)) return false
  return !/(?:^|[/?#])\.\.?(?=$|[/?#])/.test(rest) && !(pattern.slice(0, -1).endsWith('.') && rest.startsWith('.'))
}
